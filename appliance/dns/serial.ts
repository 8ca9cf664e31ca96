/**
 * Serial numbers of a zone's contents (RFC 1982, with 32 bits), which secondaries must never see go backwards: they would keep what they have.
 */
import type { Log, Store } from '../host/ports.ts';

/** Whether `one` is later than `other`. */
export const isLater = (one: number, other: number): boolean => ((one - other) | 0) > 0;

/**
 * The number after `previous`: the seconds of the clock if they are later, so that a server that starts without remembering goes on
 * where it was, else one more. Without a previous one, the seconds. Never 0, which some secondaries take for "none".
 */
export function serialAfter(previous: number | undefined, seconds: number): number {
  const clock = seconds >>> 0;
  if (previous === undefined) return clock || 1;
  const next = (previous + 1) >>> 0;
  const later = isLater(clock, next) ? clock : next;
  return later === 0 ? 1 : later;
}

/** Keeps a number for the next start. */
export interface SerialStore {
  /** What was written last; undefined when nobody knows. */
  read(): number | undefined;
  write(serial: number): void;
}

/** Numbers that may be used before the store has to be written again: ten minutes' worth, or as many changes. */
export const AHEAD = 600;

/** The numbers of one server. What is stored is always as late as any that was used, or later, and is written before it is passed. */
export class Serials {
  /** Whether it goes on from where it was before the start. */
  readonly remembered: boolean;
  private readonly seconds: () => number;
  private readonly store: SerialStore | undefined;
  private number: number;
  private bound: number | undefined;

  /** `seconds` of the wall clock. Without a store only the clock remembers. */
  constructor(seconds: () => number, store?: SerialStore) {
    this.seconds = seconds;
    this.store = store;
    this.bound = store?.read();
    this.remembered = this.bound !== undefined;
    this.number = this.use(serialAfter(this.bound, seconds()));
  }

  /** The number of now. */
  get current(): number {
    return this.number;
  }

  /** Something has changed. */
  next(): void {
    this.number = this.use(serialAfter(this.number, this.seconds()));
  }

  /** Somebody has contents of ours with this number: ours must be later. False when they are. */
  pass(other: number): boolean {
    if (isLater(this.number, other)) return false;
    this.number = this.use(serialAfter(other, this.seconds()));
    return true;
  }

  private use(number: number): number {
    if (this.bound === undefined || isLater(number, this.bound)) {
      this.bound = (number + AHEAD) >>> 0;
      this.store?.write(this.bound);
    }
    return number;
  }
}

const DOCUMENT = 'dns';

/** The number as a document of the appliance's store. What cannot be written is logged: then the clock has to do. */
export const serialStore = (store: Store, log: Log): SerialStore => ({
  read: () => store.read(DOCUMENT, document => (document as { readonly serial: number }).serial >>> 0),
  write(serial) {
    try {
      store.write(DOCUMENT, { version: 1, serial });
    } catch (error) {
      log('error', 'state-not-stored', { document: DOCUMENT, why: (error as Error).message });
    }
  },
});
