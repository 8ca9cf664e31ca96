/**
 * A manager's side of polls (docs/protocol.md, Polls): who has proved its address and that it is of the mission is told the scores of all
 * that is offered, and what this manager knows of the network. All that a stranger can grow or cost is bounded.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { encodeAnycast } from '../../sdk/wire/anycast.ts';
import { WireError } from '../../sdk/wire/errors.ts';
import type { ManagerId, Offer } from '../../sdk/wire/model.ts';
import type { PollMessage, ToldLink, ToldPath } from '../../sdk/wire/poll-messages.ts';
import { decodePoll, encodePoll, MAX_TOLD } from '../../sdk/wire/polls.ts';
import { MAX_SCORES, type TaggedScore } from '../../sdk/wire/scores.ts';
import { appendSignature, signedPart } from '../../sdk/wire/signing.ts';
import type { Clock, Random, Signer, Verify } from '../host/ports.ts';
import type { Trust } from '../pki/trust.ts';
import type { Table } from '../registry/table.ts';
import { Cookies } from '../responder/cookies.ts';
import { SourceLimits } from '../responder/source-limits.ts';
import { offerTag } from './tag.ts';

type Poll = Extract<PollMessage, { type: 'poll' }>;

/** Polls and probes of one address in a second, and polls of one that has a pass; certificates that are looked at, and replies that are signed, in a second, whoever asks. */
const RATE_EACH = 20;
const RATE_PROVEN = 400;
const CERTIFICATES = 100;
const SIGNATURES = 1000;
/** Round trips in a reply, by turns: a reply each second must leave room on a thin link. */
const MOST_PATHS = 4;
/** Tags that are remembered. */
const MOST_TAGS = 20_000;

/** Why a poll was answered, or was not. */
export type PollOutcome =
  | 'answered'
  | 'passed'
  | 'cookie'
  | 'echo'
  | 'malformed'
  | 'too-short'
  | 'rate-limited'
  | 'untrusted'
  | 'role'
  | 'signature'
  | 'no-certificate';

export interface PollAnswererOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: Signer;
  readonly verify: Verify;
  /** Undefined: without certificates nobody is told. */
  readonly trust: () => Trust | undefined;
  /** DER of this manager's; undefined without one. */
  readonly certificate: () => Uint8Array | undefined;
  /** By the key of `offerKey`; each with its score as it is now. */
  readonly offers: () => Table<string, Offer>;
  /** The score of an offer as it is now, finer than notices tell it. */
  readonly score: (offer: Offer) => number;
  readonly links: () => readonly ToldLink[];
  readonly paths: () => readonly ToldPath[];
}

export class PollAnswerer {
  readonly counters: Partial<Record<PollOutcome, number>> = {};
  private readonly options: PollAnswererOptions;
  private readonly proofs: Cookies;
  private readonly passes: Cookies;
  private readonly each: SourceLimits<Address>;
  private readonly proven: SourceLimits<Address>;
  private readonly certificates: SourceLimits<'all'>;
  private readonly signatures: SourceLimits<'all'>;
  private readonly tags = new Map<string, number>();
  private known: Table<string, Offer> | undefined;
  private parts: readonly (readonly (readonly [tag: number, offer: Offer])[])[] = [[]];
  /** Which path is told first the next time. */
  private turn = 0;

  constructor(options: PollAnswererOptions) {
    const { clock, random } = options;
    this.options = options;
    this.proofs = new Cookies(clock, random);
    this.passes = new Cookies(clock, random);
    this.each = new SourceLimits(clock, RATE_EACH, () => {});
    this.proven = new SourceLimits(clock, RATE_PROVEN, () => {});
    this.certificates = new SourceLimits(clock, CERTIFICATES, () => {});
    this.signatures = new SourceLimits(clock, SIGNATURES, () => {});
  }

  /** One datagram of type poll or probe; `send` gives back to where it came from. Never throws for what it holds. */
  receive(bytes: Uint8Array, source: Address, send: (bytes: Uint8Array) => void): void {
    const outcome = this.answer(bytes, source, send);
    this.counters[outcome] = (this.counters[outcome] ?? 0) + 1;
  }

  private answer(bytes: Uint8Array, source: Address, send: (bytes: Uint8Array) => void): PollOutcome {
    let message: PollMessage;
    try {
      message = decodePoll(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return 'malformed';
    }
    const passed =
      message.type === 'poll' && message.cookie !== undefined && this.passes.valid(message.cookie, source);
    if (!(passed ? this.proven : this.each).allow(source)) return 'rate-limited';
    if (message.type === 'probe') {
      send(encodePoll({ type: 'echo', nonce: message.nonce }));
      return 'echo';
    }
    if (message.type !== 'poll') return 'malformed';
    const { nonce, cookie } = message;
    if (passed) return this.tell(message, send);
    if (cookie !== undefined && message.certificate !== undefined && this.proofs.valid(cookie, source))
      return this.admit(message, bytes, source, send);
    const proof = encodeAnycast({ type: 'cookie', nonce, cookie: this.proofs.issue(source) });
    if (proof.length > bytes.length) return 'too-short';
    send(proof);
    return 'cookie';
  }

  private admit(
    poll: Poll,
    bytes: Uint8Array,
    source: Address,
    send: (bytes: Uint8Array) => void,
  ): PollOutcome {
    const { trust, verify, certificate } = this.options;
    const judge = trust();
    const own = certificate();
    if (judge === undefined || own === undefined) return 'no-certificate';
    if (!this.certificates.allow('all')) return 'rate-limited';
    const judged = judge.judge(poll.certificate!);
    if ('fault' in judged) return 'untrusted';
    const { roles, publicKey } = judged.member;
    if (!roles.includes('gslb') && !roles.includes('manager')) return 'role';
    if (!verify(publicKey, signedPart(bytes), poll.signature!)) return 'signature';
    const pass = { cookie: this.passes.issue(source), certificate: own };
    return this.reply(poll, { ...pass, part: 1, parts: 1, links: [], paths: [] }, send, 'passed');
  }

  private tell(poll: Poll, send: (bytes: Uint8Array) => void): PollOutcome {
    const { links, paths, score } = this.options;
    this.divide();
    const parts = this.parts.length;
    const part = Math.min(poll.part, parts);
    const scores: TaggedScore[] = this.parts[part - 1]!.map(([tag, offer]) => ({ tag, score: score(offer) }));
    const told = part === 1 ? links().slice(0, MAX_TOLD) : [];
    const room = ROOM - scores.length * 8 - told.length * LINK;
    const fields = {
      part,
      parts,
      ...(scores.length > 0 && { scores }),
      links: told,
      paths: this.some(paths(), Math.max(0, Math.min(MOST_PATHS, Math.floor(room / PATH)))),
    };
    return this.reply(poll, fields, send, 'answered');
  }

  private reply(
    { nonce }: Poll,
    fields: Omit<Extract<PollMessage, { type: 'poll-reply' }>, 'type' | 'nonce' | 'manager' | 'signature'>,
    send: (bytes: Uint8Array) => void,
    outcome: PollOutcome,
  ): PollOutcome {
    if (!this.signatures.allow('all')) return 'rate-limited';
    const { signer } = this.options;
    const unsigned = encodePoll({ type: 'poll-reply', nonce, manager: signer.id, ...fields });
    send(appendSignature(unsigned, signer.sign(signedPart(unsigned))));
    return outcome;
  }

  /** As many as fit, each in its turn. */
  private some(paths: readonly ToldPath[], most: number): readonly ToldPath[] {
    if (paths.length <= most) return paths;
    const from = this.turn % paths.length;
    this.turn = from + most;
    return [...paths.slice(from), ...paths.slice(0, from)].slice(0, most);
  }

  /** Which offers stand in which part, by their tags. */
  private divide(): void {
    const offers = this.options.offers();
    if (offers === this.known) return;
    this.known = offers;
    if (this.tags.size > MOST_TAGS) this.tags.clear();
    const { id } = this.options.signer;
    const all = [...offers.entries()].map(([key, offer]) => [this.tagOf(id, key), offer] as const);
    all.sort(([one], [other]) => one - other);
    const parts = Math.max(1, Math.ceil(all.length / PER_PART));
    this.parts = Array.from({ length: Math.min(parts, MOST_PARTS) }, (_, at) =>
      all.slice(at * PER_PART, (at + 1) * PER_PART),
    );
  }

  private tagOf(id: ManagerId, key: string): number {
    const known = this.tags.get(`${id} ${key}`);
    if (known !== undefined) return known;
    const tag = offerTag(id, key);
    this.tags.set(`${id} ${key}`, tag);
    return tag;
  }
}

const MOST_PARTS = 1024;
/** Scores in a part: links and round trips want room, too. */
const PER_PART = Math.min(64, MAX_SCORES);
/** Bytes for scores, links and round trips in 1232, less header, nonce, identity, part, parts, the header of `scores` and the signature. */
const ROOM = 1232 - 12 - 12 - 36 - 6 - 6 - 4 - 68;
/** A link with the longest name; a round trip. */
const LINK = 4 + 36 + 10 + 10 + 10 + 6;
const PATH = 4 + 36 + 8 + 8 + 6;
