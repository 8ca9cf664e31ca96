/**
 * Polls the managers that are heard of (docs/protocol.md, Polls): their scores, their links, and how far away they are. Says who does not
 * answer any more. Everything that comes back is a stranger's until its nonce and signature say otherwise.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { decodeAnycast } from '../../sdk/wire/anycast.ts';
import { WireError } from '../../sdk/wire/errors.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import { MESSAGE } from '../../sdk/wire/numbers.ts';
import type { PollMessage } from '../../sdk/wire/poll-messages.ts';
import { decodePoll, encodePoll, POLL_SIZE } from '../../sdk/wire/polls.ts';
import { appendSignature, signedPart } from '../../sdk/wire/signing.ts';
import type { Clock, Log, Millis, Random, Signer, Timer, Verify } from '../host/ports.ts';
import type { Trust } from '../pki/trust.ts';
import { followed, type RoundTrip } from '../polls/round-trip.ts';
import type { GslbEvent, Path } from './view.ts';

type Reply = Extract<PollMessage, { type: 'poll-reply' }>;

/** What is waited for an answer at least, and at most; an answer that comes later is dropped. */
const LEAST: Millis = 100;
const MOST: Millis = 2000;
/** Polls in a row without an answer that make a manager one that does not answer. */
const MISSES = 3;
/** An unpadded poll without a cookie. */
const BARE = 28;

/** Addresses that are remembered. */
const MOST_PLACES = 10_000;
/** One line of the log for each sort of refusal in this time. */
const QUIET: Millis = 10_000;

/** Why what came was not believed. nonce: no poll of ours is open that it could answer. manager: it speaks for another. */
type Refusal = 'malformed' | 'nonce' | 'manager' | 'untrusted' | 'signature';
export type PollCount = 'sent' | 'answered' | 'missed' | 'late' | `refused-${Refusal}`;

interface Polled {
  readonly manager: ManagerId;
  addresses: readonly Address[];
  port: number;
  /** Which address is asked: the one that answered last, or the next one. */
  turn: number;
  part: number;
  parts: number;
  /** A cookie that only proves our address; or the pass. */
  proof: Uint8Array | undefined;
  pass: Uint8Array | undefined;
  publicKey: Uint8Array | undefined;
  open: { readonly nonce: Uint8Array; readonly at: Millis; readonly timed: boolean } | undefined;
  misses: number;
  trip: RoundTrip | undefined;
  timer: Timer | undefined;
}

export interface PollerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: Signer;
  readonly verify: Verify;
  readonly log?: Log;
  readonly trust: () => Trust;
  /** DER of this GSLB's. */
  readonly certificate: () => Uint8Array;
  /** Between two polls of a manager, ms. */
  readonly interval: Millis;
  readonly send: (bytes: Uint8Array, port: number, address: Address) => void;
  readonly emit: (event: Extract<GslbEvent, { type: 'polled' | 'poll-lost' }>) => void;
}

export class Poller {
  readonly counters: Partial<Record<PollCount, number>> = {};
  private readonly options: PollerOptions;
  private readonly polled = new Map<ManagerId, Polled>();
  /** By the nonce of the poll that is open. */
  private readonly open = new Map<string, Polled>();
  /** Where managers are, or were. */
  private readonly places = new Set<Address>();
  private readonly said = new Map<PollCount, Millis>();

  constructor(options: PollerOptions) {
    this.options = options;
  }

  /** Begins to poll a manager, or goes on with other addresses. */
  want(manager: ManagerId, addresses: readonly Address[], port: number): void {
    for (const address of addresses) this.places.add(address);
    const known = this.polled.get(manager);
    if (known !== undefined) {
      Object.assign(known, { addresses, port });
      return;
    }
    if (addresses.length === 0) return;
    const blank = {
      proof: undefined,
      pass: undefined,
      publicKey: undefined,
      open: undefined,
      trip: undefined,
    };
    const polled: Polled = {
      ...blank,
      ...{ manager, addresses, port, turn: 0, part: 1, parts: 1, misses: 0, timer: undefined },
    };
    this.polled.set(manager, polled);
    this.ask(polled);
  }

  forget(manager: ManagerId): void {
    const polled = this.polled.get(manager);
    polled?.timer?.cancel();
    if (polled !== undefined) this.shut(polled);
    this.polled.delete(manager);
    if (this.polled.size === 0 || this.places.size > MOST_PLACES) this.places.clear();
  }

  /** A datagram that came to where the polls leave from. Never throws for what it holds. */
  receive(bytes: Uint8Array, from: Address): void {
    try {
      const message = bytes[3] === MESSAGE.cookie ? decodeAnycast(bytes) : decodePoll(bytes);
      if (message.type !== 'cookie' && message.type !== 'poll-reply') return;
      const polled = this.open.get(`${message.nonce}`);
      if (polled === undefined) this.unasked(from);
      else if (message.type === 'cookie') this.takeCookie(polled, message.cookie);
      else this.takeReply(polled, message, bytes, from);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.refuse('malformed', from);
    }
  }

  close(): void {
    for (const { timer } of this.polled.values()) timer?.cancel();
    this.polled.clear();
    this.open.clear();
  }

  private count(what: PollCount): void {
    this.counters[what] = (this.counters[what] ?? 0) + 1;
  }

  /** No poll is open that it could answer: one of those that are asked is only late. */
  private unasked(from: Address): void {
    if (this.places.has(from)) this.count('late');
    else this.refuse('nonce', from);
  }

  /** Counts what is not believed, and says so now and then: it may come without end. */
  private refuse(why: Refusal, from: Address): void {
    const name = `refused-${why}` as const;
    this.count(name);
    const { clock, log } = this.options;
    const last = this.said.get(name);
    if (last !== undefined && clock.now() - last < QUIET) return;
    this.said.set(name, clock.now());
    log?.('warning', 'poll-refused', { why, from, count: this.counters[name] });
  }

  /** Nothing that comes now answers the poll that was open. */
  private shut(polled: Polled): void {
    if (polled.open !== undefined) this.open.delete(`${polled.open.nonce}`);
    polled.open = undefined;
  }

  private ask(polled: Polled): void {
    const { clock, random, signer, certificate, send, interval } = this.options;
    const nonce = random.bytes(8);
    const { pass, proof, part } = polled;
    let bytes: Uint8Array;
    if (pass !== undefined) bytes = encodePoll({ type: 'poll', nonce, cookie: pass, part, padding: 0 });
    else if (proof === undefined)
      bytes = encodePoll({ type: 'poll', nonce, part: 1, padding: POLL_SIZE - BARE });
    else {
      const unsigned = encodePoll({
        ...{ type: 'poll', nonce, cookie: proof, part: 1, padding: 0 },
        certificate: certificate(),
      });
      bytes = appendSignature(unsigned, signer.sign(signedPart(unsigned)));
    }
    this.shut(polled);
    polled.open = { nonce, at: clock.now(), timed: pass !== undefined };
    this.open.set(`${nonce}`, polled);
    this.count('sent');
    const patience = Math.min(interval, Math.max(LEAST, 4 * (polled.trip?.rtt ?? interval)));
    // A way that has become much longer would else never be measured again (RFC 6298 §5.5).
    const backedOff = Math.min(Math.max(patience, MOST), patience * 2 ** Math.min(polled.misses, 8));
    polled.timer?.cancel();
    polled.timer = clock.after('poll-missed', backedOff, () => this.miss(polled));
    send(bytes, polled.port, polled.addresses[polled.turn % polled.addresses.length]!);
  }

  private miss(polled: Polled): void {
    this.count('missed');
    this.shut(polled);
    polled.misses++;
    polled.trip = followed(polled.trip, undefined);
    if (polled.misses === MISSES) this.options.emit({ type: 'poll-lost', manager: polled.manager });
    if (polled.misses < MISSES) {
      this.ask(polled);
      return;
    }
    // It may be elsewhere, and may have started anew.
    polled.turn++;
    Object.assign(polled, { pass: undefined, proof: undefined, part: 1, parts: 1 });
    this.later(polled);
  }

  private later(polled: Polled): void {
    const { clock, random, interval } = this.options;
    polled.timer?.cancel();
    polled.timer = clock.after('poll', interval * (0.9 + random.uniform() * 0.2), () => this.ask(polled));
  }

  private takeCookie(polled: Polled, cookie: Uint8Array): void {
    // Whoever is between us can send cookies without end: it is taken for an answer once in an interval.
    if (polled.proof !== undefined && polled.pass === undefined) return;
    polled.pass = undefined;
    polled.proof = cookie;
    this.ask(polled);
  }

  private takeReply(polled: Polled, reply: Reply, bytes: Uint8Array, from: Address): void {
    const { trust, verify, clock } = this.options;
    const { open } = polled;
    if (reply.manager !== polled.manager || open === undefined) {
      this.refuse('manager', from);
      return;
    }
    let key = polled.publicKey;
    if (reply.certificate !== undefined) {
      const judged = trust().judge(reply.certificate);
      const good = 'member' in judged && judged.member.id === reply.manager;
      key = good && judged.member.roles.includes('manager') ? judged.member.publicKey : undefined;
    }
    if (key === undefined) {
      this.refuse('untrusted', from);
      return;
    }
    if (reply.signature === undefined || !verify(key, signedPart(bytes), reply.signature)) {
      this.refuse('signature', from);
      return;
    }
    polled.publicKey = key;
    this.shut(polled);
    const at = polled.addresses.indexOf(from);
    if (at >= 0) polled.turn = at;
    if (reply.cookie !== undefined) {
      polled.pass = reply.cookie;
      polled.proof = undefined;
      this.ask(polled);
      return;
    }
    this.count('answered');
    polled.misses = 0;
    if (open.timed) polled.trip = followed(polled.trip, clock.now() - open.at);
    if (polled.trip !== undefined) this.tell(polled, reply, polled.trip);
    polled.parts = reply.parts;
    if (reply.part < reply.parts) {
      polled.part = reply.part + 1;
      this.ask(polled);
    } else {
      polled.part = 1;
      this.later(polled);
    }
  }

  private tell({ manager }: Polled, reply: Reply, own: Path): void {
    const paths = new Map(
      reply.paths.map(({ manager: to, rtt, jitter, loss }) => [
        to,
        { rtt: rtt / 1000, jitter: jitter / 1000, loss: loss / 1000 },
      ]),
    );
    this.options.emit({
      type: 'polled',
      manager,
      scores: new Map((reply.scores ?? []).map(({ tag, score }) => [tag, score])),
      links: reply.part === 1 ? reply.links.map(link => ({ ...link, use: link.use / 1000 })) : undefined,
      paths,
      own,
    });
  }
}
