/**
 * What a query resolves to. It holds for a time that its manager set, and says when that is over.
 */
import type { Clock } from '../transport/environment.ts';
import type { Address } from '../wire/address.ts';
import type { AnsweredManager, AnsweredServer, ManagerId } from '../wire/model.ts';

export interface AnswerFields {
  readonly servers: readonly AnsweredServer[];
  readonly manager: ManagerId;
  readonly from: Address;
  readonly vip: Address | undefined;
  readonly omitted: number;
  readonly roundTrip: number;
  readonly signed: boolean;
  readonly expires: number;
  readonly managers?: readonly AnsweredManager[];
  readonly via?: Address | undefined;
}

export class Answer {
  /** Best first; each with its unique address, its score and its services. Empty: nothing healthy matches. */
  readonly servers: readonly AnsweredServer[];
  /** The manager's identity: SHA-256 of its key. */
  readonly manager: ManagerId;
  /** The address that answered. */
  readonly from: Address;
  /** The anycast address that serves them, if the manager named one. */
  readonly vip: Address | undefined;
  /** How many matching servers were left out, because of `want` or the manager's limits. */
  readonly omitted: number;
  /** ms from the query to the first part of the answer. */
  readonly roundTrip: number;
  /** Whether a signature by a trusted key was verified. */
  readonly signed: boolean;
  /** When it ceases to hold, ms on the clock of `performance.now()`. */
  readonly expires: number;
  /** Of a GSLB that was asked: the managers that it named, best first. */
  readonly managers: readonly AnsweredManager[];
  /** The GSLB that named the manager; undefined: the manager was asked by itself. */
  readonly via: Address | undefined;
  readonly #clock: Clock;

  constructor(clock: Clock, fields: AnswerFields) {
    this.#clock = clock;
    this.servers = fields.servers;
    this.manager = fields.manager;
    this.from = fields.from;
    this.vip = fields.vip;
    this.omitted = fields.omitted;
    this.roundTrip = fields.roundTrip;
    this.signed = fields.signed;
    this.expires = fields.expires;
    this.managers = fields.managers ?? [];
    this.via = fields.via;
  }

  /** For how many ms it still holds; 0 = it does not. */
  remaining(): number {
    return Math.max(0, this.expires - this.#clock.now());
  }

  /** Whether it still holds. Don't act on one that does not: query again. */
  fresh(): boolean {
    return this.remaining() > 0;
  }

  [Symbol.iterator](): Iterator<AnsweredServer> {
    return this.servers[Symbol.iterator]();
  }
}
