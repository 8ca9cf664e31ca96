/** Polls, as values (docs/protocol.md, Polls). Their bytes: polls.ts. */
import type { ManagerId } from './model.ts';
import type { TaggedScore } from './scores.ts';

/** A link of a manager's site, as it tells of it. */
export interface ToldLink {
  /** At most 32 bytes. */
  readonly name: string;
  /** 5-minute averages, bit/s. */
  readonly input: number;
  readonly output: number;
  /** bit/s; 0 = not known. */
  readonly rate: number;
  /** 0…1000: 30-second average of the busier direction. */
  readonly use: number;
}

/** The way from one manager to another, as it was measured. */
export interface ToldPath {
  readonly manager: ManagerId;
  /** µs, there and back. */
  readonly rtt: number;
  /** µs. */
  readonly jitter: number;
  /** 0…1000. */
  readonly loss: number;
}

/** Between a GSLB and a manager, and between managers: datagrams (docs/protocol.md, Polls). */
export type PollMessage =
  /** Asks for scores. */
  | {
      readonly type: 'poll';
      /** 8 bytes, fresh. */
      readonly nonce: Uint8Array;
      readonly cookie?: Uint8Array;
      /** Which part, 1…1024. */
      readonly part: number;
      /** DER of the asker's; with it the poll is signed. */
      readonly certificate?: Uint8Array;
      /** Zero bytes, so that no answer to a stranger is longer. */
      readonly padding: number;
      readonly signature?: Uint8Array;
    }
  | {
      readonly type: 'poll-reply';
      readonly nonce: Uint8Array;
      readonly manager: ManagerId;
      /** To be shown from now on, instead of a certificate; with the manager's own. */
      readonly cookie?: Uint8Array;
      readonly certificate?: Uint8Array;
      readonly part: number;
      readonly parts: number;
      /** Absent: none. */
      readonly scores?: readonly TaggedScore[];
      readonly links: readonly ToldLink[];
      readonly paths: readonly ToldPath[];
      /** Ed25519 by the manager over everything before it; put on by `appendSignature`. */
      readonly signature?: Uint8Array;
    }
  /** Measures a round trip: answered by an `echo` of the same length. */
  | { readonly type: 'probe'; readonly nonce: Uint8Array }
  | { readonly type: 'echo'; readonly nonce: Uint8Array };
