/**
 * Repairs that are asked for: one question at a time for each manager, repeated while it is wanted, each with a fresh nonce, so that
 * only what was sent after it can answer it.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import { encodeNotice, REPAIR_SIZE } from '../../sdk/wire/notices.ts';
import { appendSignature, SIGNATURE_SIZE, signedPart } from '../../sdk/wire/signing.ts';
import { ELEMENT_HEADER } from '../../sdk/wire/tlv.ts';
import type { Clock, Millis, Random, Signer, Timer } from '../host/ports.ts';
import type { Counters } from '../notifier/counters.ts';

/** An answer counts for so long after its question. */
const OPEN: Millis = 5000;
const MOST_OPEN = 512;
/** The first repetition comes after this, then in doubling steps up to the second, each at random within half to all of it. */
const AGAIN: Millis = 200;
const SLOWEST: Millis = 5000;
/** While parts of an answer arrive, the rest is waited for. */
const PATIENCE: Millis = 300;
/** Managers that are asked at once, known and unknown. */
const MOST_ASKED = 512;

/** What one is asked. */
export interface Question {
  /** Where it may be reached, the likeliest first. */
  readonly places: readonly { readonly address: Address; readonly port: number }[];
  readonly cookie?: Uint8Array | undefined;
  readonly boot?: number | undefined;
  readonly since: number;
  /** Times that it is asked; then it is left until something new is heard of it. */
  readonly times: number;
}

interface Asked {
  timer: Timer | undefined;
  tries: number;
  due: Millis;
}

interface Open {
  /** Undefined: everybody was asked. */
  readonly manager: ManagerId | undefined;
  readonly until: Millis;
  /** Cookies are sent back once; then whoever wants another is asked at the usual pace. */
  cookied: boolean;
}

export interface QuestionOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: Signer;
  readonly certificate: Uint8Array;
  readonly counters: Counters;
  /** What the manager is to be asked now; undefined = nothing any more. */
  readonly questionFor: (manager: ManagerId) => Question | undefined;
  readonly send: (bytes: Uint8Array, port: number, address: Address) => void;
  /** To all groups and unicast receivers. */
  readonly tell: (bytes: Uint8Array) => void;
}

export class Questions {
  private readonly options: QuestionOptions;
  private readonly asked = new Map<ManagerId, Asked>();
  private readonly open = new Map<string, Open>();

  constructor(options: QuestionOptions) {
    this.options = options;
  }

  /** Asks the manager within `delay` ms, unless that is to happen sooner, or it is being asked already. */
  ask(manager: ManagerId, delay: Millis): void {
    if (this.asked.has(manager)) return;
    if (this.asked.size >= MOST_ASKED) this.options.counters.add('limit-questions');
    else this.arm(manager, { timer: undefined, tries: 0, due: 0 }, delay);
  }

  /** Asks now, whatever was asked before: the manager gave the cookie that the last question lacked. */
  again(manager: ManagerId): void {
    const asked = this.asked.get(manager) ?? { timer: undefined, tries: 0, due: 0 };
    asked.timer?.cancel();
    this.fire(manager, asked);
  }

  /** Part of an answer came: the rest is waited for. */
  progress(manager: ManagerId): void {
    const asked = this.asked.get(manager);
    if (asked === undefined) return;
    asked.tries = 1;
    asked.timer?.cancel();
    this.arm(manager, asked, PATIENCE);
  }

  /** Nothing is to be asked any more. */
  drop(manager: ManagerId): void {
    this.asked.get(manager)?.timer?.cancel();
    this.asked.delete(manager);
  }

  /** Asks everybody who they are. */
  askAll(): void {
    this.options.tell(this.message(undefined, { places: [], since: 0, times: 1 }));
  }

  /** Whether a message of `manager` with this nonce answers a question that is open. */
  answers(nonce: Uint8Array, manager: ManagerId): boolean {
    const open = this.open.get(hex(nonce));
    return (
      open !== undefined && open.until > this.options.clock.now() && (open.manager ?? manager) === manager
    );
  }

  /** Whether a cookie that answers it is to be sent back at once: the first time only. */
  takesCookie(nonce: Uint8Array): boolean {
    const open = this.open.get(hex(nonce));
    // Everybody's nonce brings a cookie of each.
    if (open === undefined || (open.cookied && open.manager !== undefined)) return false;
    open.cookied = true;
    return true;
  }

  close(): void {
    for (const { timer } of this.asked.values()) timer?.cancel();
    this.asked.clear();
    this.open.clear();
  }

  private arm(manager: ManagerId, asked: Asked, delay: Millis): void {
    this.asked.set(manager, asked);
    asked.timer = this.options.clock.after('repair-wanted', delay, () => this.fire(manager, asked));
  }

  private fire(manager: ManagerId, asked: Asked): void {
    const question = this.options.questionFor(manager);
    if (question === undefined || asked.tries >= question.times || question.places.length === 0) {
      this.asked.delete(manager);
      return;
    }
    const { address, port } = question.places[asked.tries % question.places.length]!;
    this.options.counters.add('repair-asked');
    this.options.send(this.message(manager, question), port, address);
    const wait = Math.min(SLOWEST, AGAIN * 2 ** asked.tries) * (0.5 + 0.5 * this.options.random.uniform());
    asked.tries++;
    this.arm(manager, asked, wait);
  }

  private message(manager: ManagerId | undefined, { cookie, boot, since }: Question): Uint8Array {
    const { random, signer, certificate } = this.options;
    const nonce = random.bytes(8);
    this.remember(nonce, manager);
    const fields = {
      ...({ type: 'repair', nonce, since, certificate } as const),
      ...(cookie && { cookie }),
      ...(manager && { manager }),
      ...(boot !== undefined && { boot }),
    };
    const bare = encodeNotice({ ...fields, padding: 0 }).length + SIGNATURE_SIZE;
    // Also with a cookie: if it is none any more, the answer to that is a new one, and long.
    const padding = Math.max(0, REPAIR_SIZE - bare - ELEMENT_HEADER);
    const bytes = encodeNotice({ ...fields, padding });
    return appendSignature(bytes, signer.sign(signedPart(bytes)));
  }

  private remember(nonce: Uint8Array, manager: ManagerId | undefined): void {
    const now = this.options.clock.now();
    for (const [key, { until }] of this.open) {
      if (until > now && this.open.size < MOST_OPEN) break;
      this.open.delete(key);
    }
    this.open.set(hex(nonce), { manager, until: now + OPEN, cookied: false });
  }
}

/** A nonce as a key. */
export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
