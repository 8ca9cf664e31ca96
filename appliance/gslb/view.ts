/**
 * What a GSLB knows: who offers what, how well, and how far away. A value: reduce.ts makes the next one from it, decide.ts reads it.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ManagerId, Offer } from '../../sdk/wire/model.ts';
import type { Millis } from '../host/ports.ts';
import type { Heard } from '../notices/heard.ts';
import { Table } from '../registry/table.ts';
import type { Supply } from './settle.ts';

/** A way through the network, as it was measured. */
export interface Path {
  /** ms, there and back. */
  readonly rtt: Millis;
  /** ms: mean deviation of it (RFC 3550 §6.4.1). */
  readonly jitter: Millis;
  /** 0…1. */
  readonly loss: number;
}

/** A link of a manager's site. */
export interface LinkUse {
  readonly name: string;
  /** 5-minute averages, bit/s. */
  readonly input: number;
  readonly output: number;
  /** bit/s; 0 = not known. */
  readonly rate: number;
  /** 30-second average of the busier direction, 0…1; 0 where the rate is not known. */
  readonly use: number;
}

/** An offer at the manager that told of it. */
export interface Held {
  readonly manager: ManagerId;
  readonly key: string;
  readonly tag: number;
  readonly offer: Offer;
  /** How well it is served: as it was told, and as it is decided by. */
  readonly supply: Supply;
  /** The manager is silent, and has not confirmed it since: it is not answered. */
  readonly doubtful: boolean;
}

/** A manager, and what it said of itself. */
export interface Site {
  readonly manager: ManagerId;
  /** Its name for people, or the head of its identity. */
  readonly name: string;
  readonly addresses: readonly Address[];
  readonly anycastPort: number;
  /** Whether its notices are heard. */
  readonly silent: boolean;
  /** Whether it answers polls. */
  readonly polled: 'not-yet' | 'answers' | 'lost';
  /** Since `silent` or `polled` changed. */
  readonly since: Millis;
  readonly links: readonly LinkUse[];
  /** From this GSLB to it; undefined = not measured, or no longer. */
  readonly own: Path | undefined;
  /** From it to other managers. */
  readonly paths: ReadonlyMap<ManagerId, Path>;
  readonly offers: Table<string, Held>;
  /** Keys of the offers, by tag. */
  readonly tags: Table<string, string>;
}

/** A name's offers, over all managers. */
export interface Name {
  /** In the order of manager and key. */
  readonly held: readonly Held[];
  /** Since who serves it changed, the score left aside. */
  readonly since: Millis;
  /** Since how well they do changed. */
  readonly moved: Millis;
  /** What it had when the last of it went; only while `held` is empty. */
  readonly lapsed: readonly Held[];
}

export interface View {
  /** Greater with each change that may change an answer. */
  readonly version: number;
  readonly sites: ReadonlyMap<ManagerId, Site>;
  readonly names: Table<string, Name>;
  /** Names that nobody offers any more. */
  readonly lapsed: Table<string, true>;
  /** Offers in all. */
  readonly count: number;
  /** Offers that were not taken in because of the limits, since the start. */
  readonly refused: number;
}

/** What happens to it. */
export type GslbEvent =
  | Heard
  /** A reply to a poll. `scores` by tag. */
  | {
      readonly type: 'polled';
      readonly manager: ManagerId;
      readonly scores: ReadonlyMap<number, number>;
      /** Undefined: it did not say, as in all parts but the first. */
      readonly links: readonly LinkUse[] | undefined;
      readonly paths: ReadonlyMap<ManagerId, Path>;
      readonly own: Path;
    }
  /** Several polls in a row were not answered. */
  | { readonly type: 'poll-lost'; readonly manager: ManagerId };

export interface ViewLimits {
  readonly managers: number;
  readonly offers: number;
  /** Names that are remembered although nobody offers them any more, and for how long. */
  readonly lapsed: number;
  readonly lapse: Millis;
}

export const DEFAULT_LIMITS: ViewLimits = {
  managers: 1000,
  offers: 100_000,
  lapsed: 10_000,
  lapse: 3_600_000,
};

export const emptyView = (): View => ({
  version: 0,
  sites: new Map(),
  names: Table.empty(),
  lapsed: Table.empty(),
  count: 0,
  refused: 0,
});

/** Whether it may be answered: something healthy serves, and that is not yesterday's news. */
export const serves = (held: Held): boolean => held.supply.score > 0 && !held.doubtful;
