/**
 * What the DNS server is given: the contract with whoever decides. A view is an immutable value. Each change makes a new one with
 * another version, and is published to the server, which asks the view for answers as it needs them and keeps each for as long as
 * nothing changes.
 */
import type { Address, Prefix } from '../../sdk/wire/address.ts';
import type { RecordType } from './numbers.ts';

/** Data of one record, by its type. Names as names.ts has them. */
export type RecordData =
  | { readonly type: 'A' | 'AAAA'; readonly address: Address }
  | { readonly type: 'NS' | 'CNAME'; readonly target: string }
  | {
      readonly type: 'SRV';
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  /** Strings of at most 255 bytes each in UTF-8. */
  | { readonly type: 'TXT'; readonly texts: readonly string[] };

/** Key of an entry of the topology; '' is the place of those whom the topology does not know. */
export type Place = string;

/** What is asked for: a name of the view, in lower case, and a type that the view says it has. */
export interface Question {
  readonly name: string;
  readonly type: RecordType;
}

/**
 * The answer to a question at a place: the records, best first, in the order in which they are to be sent. None at all is an answer as
 * well (NODATA): so it is for a service that nobody serves and of which nothing is to be said.
 */
export interface Outcome {
  /** All of the question's type. */
  readonly records: readonly RecordData[];
  /** Seconds, the same for all of them (RFC 2181 §5.2). */
  readonly ttl: number;
  /** Whether another place may get another answer: then its scope is told (RFC 7871) and it is kept for each place. */
  readonly scoped: boolean;
}

/** A zone that this server is authoritative for. */
export interface Zone {
  /** Its name. */
  readonly apex: string;
  /** The name servers (RFC 1035 §3.3.11), the one of this server first: it is the SOA's MNAME. */
  readonly nameServers: readonly string[];
  /** The mailbox of who is responsible, as a name (RFC 1035 §3.3.13). */
  readonly mailbox: string;
  /** Seconds. `minimum` is how long it is remembered that something is not there (RFC 2308 §4). */
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
  /** TTL of the zone's SOA and NS records, seconds. */
  readonly ttl: number;
}

/** Names, and the types of each. A Map is one. */
export interface Names {
  readonly size: number;
  get(name: string): readonly RecordType[] | undefined;
  has(name: string): boolean;
  keys(): Iterable<string>;
  entries(): Iterable<readonly [string, readonly RecordType[]]>;
}

/** All that can be answered. */
export interface View {
  /** Another number for each view that differs. */
  readonly version: number;
  /** No two with the same apex. */
  readonly zones: readonly Zone[];
  /**
   * Every name that has records, and their types. A name belongs to the zone with the longest apex above it; names in no zone are not
   * answered. SOA and NS of an apex are made from its zone and not told here. A name with CNAME has no other type. When the same
   * map is in two views, nothing in it has changed.
   */
  readonly names: Names;
  /**
   * Names that have come, gone, or have other types since an earlier view, so that nobody has to look at all of them; undefined, or no such
   * method: that is not known.
   */
  namesSince?(before: View): readonly string[] | undefined;
  /** Which place a client's address is in: the longest prefix counts. The same array again when it has not changed. */
  readonly topology: readonly { readonly prefix: Prefix; readonly place: Place }[];
  /** The answer, for a name and type of `names`. Pure, and quick: some microseconds. */
  answersFor(question: Question, place: Place): Outcome;
}

/** The view before anything is known: every question is refused. */
export const NOTHING: View = {
  version: 0,
  zones: [],
  names: new Map(),
  topology: [],
  answersFor: () => ({ records: [], ttl: 0, scoped: false }),
};
