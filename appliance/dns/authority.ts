/**
 * The view that is answered from, and what all books are told when it changes: names in whole when they are new, then only what differs.
 */
import type { Log } from '../host/ports.ts';
import type { BookChange } from './book.ts';
import { type FinishedAnswer, finishAnswer, typesAt } from './finish.ts';
import { RCODE, type RecordType, TYPE } from './numbers.ts';
import { type SerialStore, Serials } from './serial.ts';
import { NOTHING, type Place, type View } from './view.ts';
import { MessageWriter } from './writer.ts';
import type { ZoneFacts } from './zone-bytes.ts';

/** What a book and its answerer have to be told. Plain values: it goes to workers as it is. */
export interface Update {
  readonly book: BookChange;
  /** When it has changed. */
  readonly topology?: View['topology'];
  /** Names whose answers may be others now; absent: all. */
  readonly changed?: readonly string[];
}

export interface AuthorityDeps {
  readonly log: Log;
  /** Seconds of the wall clock. */
  readonly seconds: () => number;
  /** Where the serial number is kept between starts; absent: nowhere. */
  readonly serials?: SerialStore;
}

export class Authority {
  private readonly deps: AuthorityDeps;
  private readonly listeners = new Set<(update: Update) => void>();
  private current: View = NOTHING;
  private readonly serials: Serials;

  constructor(deps: AuthorityDeps) {
    this.deps = deps;
    this.serials = new Serials(deps.seconds, deps.serials);
  }

  get view(): View {
    return this.current;
  }

  /** Serial number of all zones. It rises with each view that is published. */
  get serial(): number {
    return this.serials.current;
  }

  /** Whether serial numbers go on from before the start. */
  get remembers(): boolean {
    return this.serials.remembered;
  }

  /** A secondary has contents with this serial number: ours are later from now on. False when they were. */
  pass(serial: number): boolean {
    if (!this.serials.pass(serial)) return false;
    // Answers that follow an alias may end in an SOA record: they are forgotten with any change.
    const update: Update = { book: { zones: this.facts(), put: [], drop: [] }, changed: [] };
    for (const listener of this.listeners) listener(update);
    return true;
  }

  /** Tells a new book everything there is, and from then on what changes. Gives what ends that. */
  subscribe(listener: (update: Update) => void): () => void {
    this.listeners.add(listener);
    listener(this.everything());
    return () => void this.listeners.delete(listener);
  }

  /**
   * Takes a new view; one with the version of the last is passed over. `changed`: the names whose answers may be others than before,
   * at some place (not those that only lead to them); absent: all. False when nothing was new.
   */
  publish(view: View, changed?: Iterable<string>): boolean {
    const before = this.current;
    if (view.version === before.version) return false;
    this.current = view;
    this.serials.next();
    const sameZones =
      view.zones.length === before.zones.length &&
      view.zones.every(({ apex }) => before.zones.some(zone => zone.apex === apex));
    // What ends an answer that follows an alias may be an SOA record: with other figures in it, any kept answer may be old.
    const sameFigures = sameZones && JSON.stringify(view.zones) === JSON.stringify(before.zones);
    const topology = view.topology === before.topology ? {} : { topology: view.topology };
    const update: Update = sameZones
      ? {
          book: { zones: this.facts(), ...difference(before, view) },
          ...topology,
          ...(changed === undefined || !sameFigures ? {} : { changed: [...changed] }),
        }
      : this.everything();
    for (const listener of this.listeners) listener(update);
    return true;
  }

  /** The finished answer to a question that a book has not. SERVFAIL when the view has a fault, which is logged. */
  finish(name: string, type: number, place: Place): FinishedAnswer {
    try {
      return finishAnswer(this.current, this.serial, { name, type }, place);
    } catch (error) {
      this.deps.log('error', 'dns-answer-failed', { name, type, place, reason: (error as Error).message });
      const writer = new MessageWriter();
      writer.question(name, type);
      const bytes = writer.finish(0, RCODE.SERVFAIL);
      return { bytes, core: bytes.length, scoped: true, follows: [''] };
    }
  }

  private facts(): readonly ZoneFacts[] {
    return this.current.zones.map(zone => ({ zone, serial: this.serial }));
  }

  private everything(): Update {
    const { view } = this;
    return {
      book: { zones: this.facts(), ...difference(NOTHING, view) },
      topology: view.topology,
    };
  }
}

/** From the names of one view to those of another. Apexes are among them, with SOA and NS. */
function difference(before: View, after: View): Pick<BookChange, 'put' | 'drop'> {
  const put: [string, readonly number[]][] = [];
  const drop: string[] = [];
  const apexes = new Set(after.zones.map(({ apex }) => apex));
  const fresh = new Set(apexes);
  for (const { apex } of before.zones) fresh.delete(apex);
  const tell = (name: string): void => void put.push([name, typesAt(after, name).map(type => TYPE[type])]);
  const since = before === NOTHING ? undefined : after.namesSince?.(before);
  if (since !== undefined) {
    for (const name of since) {
      fresh.delete(name);
      if (after.names.has(name) || apexes.has(name)) tell(name);
      else drop.push(name);
    }
  } else if (before.names !== after.names) {
    for (const [name, types] of after.names.entries()) {
      if (fresh.has(name) || !sameTypes(types, before.names.get(name))) {
        fresh.delete(name);
        tell(name);
      }
    }
    for (const name of before.names.keys()) {
      if (after.names.has(name)) continue;
      if (apexes.has(name)) fresh.add(name);
      else drop.push(name);
    }
  }
  for (const apex of fresh) tell(apex);
  return { put, drop };
}

function sameTypes(one: readonly RecordType[], other: readonly RecordType[] | undefined): boolean {
  return (
    other !== undefined && one.length === other.length && one.every((type, index) => type === other[index])
  );
}
