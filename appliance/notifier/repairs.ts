/**
 * Answers to those who missed something: what they lack, by unicast and paced, once they have proved their address and that they are
 * of the mission (docs/protocol.md, Notices). All that strangers can grow is bounded.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { NoticeMessage } from '../../sdk/wire/messages.ts';
import { signedPart } from '../../sdk/wire/signing.ts';
import type { Clock, Millis, Random, Timer, Verify } from '../host/ports.ts';
import type { Trust } from '../pki/trust.ts';
import { Cookies } from '../responder/cookies.ts';
import { SourceLimits } from '../responder/source-limits.ts';
import type { Counters } from './counters.ts';
import type { Ledger } from './ledger.ts';
import { type Telling, tellNext } from './telling.ts';
import type { NoticeWriter } from './writer.ts';

export type Repair = Extract<NoticeMessage, { type: 'repair' }> & { readonly signature: Uint8Array };

/** Repairs of one address, and of all, that are looked at in a second. */
const RATE_EACH = 20;
const RATE_ALL = 400;
/** Answers under way at once, and those that wait. */
const TRANSFERS = 8;
const WAITING = 64;
/** Datagrams of a transfer that leave together, and how long the next ones wait. */
const BURST = 4;
const PACE: Millis = 2;
/** A question to everybody is answered within this, at random. */
const SPREAD: Millis = 50;

interface Transfer extends Telling {
  readonly address: Address;
  readonly port: number;
}

export interface RepairOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly verify: Verify;
  readonly trust: () => Trust;
  readonly boot: number;
  readonly ledger: Ledger;
  readonly writer: NoticeWriter;
  readonly counters: Counters;
  /** A refresh with these in it. */
  readonly refresh: (fields: { nonce: Uint8Array; cookie?: Uint8Array }) => Uint8Array;
  readonly send: (bytes: Uint8Array, port: number, address: Address) => void;
}

export class Repairs {
  private readonly options: RepairOptions;
  private readonly cookies: Cookies;
  private readonly each: SourceLimits<Address>;
  private readonly all: SourceLimits<'all'>;
  private readonly running = new Map<string, Transfer>();
  private readonly waiting = new Map<string, Transfer>();
  private readonly delayed = new Set<Timer>();
  private timer: Timer | undefined;

  constructor(options: RepairOptions) {
    const { clock, random, counters } = options;
    this.options = options;
    this.cookies = new Cookies(clock, random);
    this.each = new SourceLimits(clock, RATE_EACH, () => counters.add('limit-sources'));
    this.all = new SourceLimits(clock, RATE_ALL, () => {});
  }

  /** A repair that was asked for by `address`; `bytes`: the whole message, of which the signature is not looked at yet. */
  ask(repair: Repair, bytes: Uint8Array, address: Address, port: number): void {
    const { counters, writer, random, clock } = this.options;
    if (repair.manager !== undefined && repair.manager !== writer.manager) {
      counters.add('repair-other');
      return;
    }
    if (!this.each.allow(address) || !this.all.allow('all')) {
      counters.add('repair-limited');
      return;
    }
    if (repair.cookie === undefined || !this.cookies.valid(repair.cookie, address)) {
      if (repair.manager !== undefined) this.prove(repair, bytes.length, address, port);
      else if (this.delayed.size < WAITING) {
        const timer = clock.after('repair-answer', random.uniform() * SPREAD, () => {
          this.delayed.delete(timer);
          this.prove(repair, bytes.length, address, port);
        });
        this.delayed.add(timer);
      }
      return;
    }
    const why = this.refusal(repair, bytes);
    if (why !== undefined) {
      counters.add(`repair-${why}`);
      return;
    }
    counters.add('repair-answered');
    this.start(repair, address, port);
  }

  close(): void {
    this.timer?.cancel();
    for (const timer of this.delayed) timer.cancel();
    this.running.clear();
    this.waiting.clear();
  }

  /** Gives a cookie, in no more bytes than were spent on asking. */
  private prove({ nonce }: Repair, length: number, address: Address, port: number): void {
    const { counters, refresh, send } = this.options;
    const answer = refresh({ nonce, cookie: this.cookies.issue(address) });
    if (answer.length > length) {
      counters.add('repair-too-short');
      return;
    }
    counters.add('repair-cookie');
    send(answer, port, address);
  }

  private refusal(repair: Repair, bytes: Uint8Array): 'untrusted' | 'role' | 'signature' | undefined {
    const judged = this.options.trust().judge(repair.certificate);
    if ('fault' in judged) return 'untrusted';
    const { roles, publicKey } = judged.member;
    if (!roles.includes('manager') && !roles.includes('gslb')) return 'role';
    return this.options.verify(publicKey, signedPart(bytes), repair.signature) ? undefined : 'signature';
  }

  private start({ nonce, boot, since }: Repair, address: Address, port: number): void {
    const { ledger, refresh, send, counters } = this.options;
    const knows = boot === this.options.boot ? since : 0;
    if (ledger.change === 0 || (knows === ledger.change && knows > 0)) {
      send(refresh({ nonce }), port, address);
      return;
    }
    const from = ledger.reaches(knows) ? knows : 0;
    const key = `${address} ${port}`;
    if (!this.running.has(key) && this.running.size + this.waiting.size >= WAITING) {
      counters.add('limit-transfers');
      return;
    }
    const transfer: Transfer = {
      ...{ address, port, nonce, at: 0, since: from },
      whole: from === 0,
      lines: ledger.after(from),
      until: ledger.change,
    };
    if (this.running.has(key) || this.running.size < TRANSFERS) this.running.set(key, transfer);
    else this.waiting.set(key, transfer);
    this.timer ??= this.options.clock.after('repair', 0, () => this.turn());
  }

  private turn(): void {
    this.timer = undefined;
    for (const [key, transfer] of this.running) {
      for (let sent = 0; sent < BURST && transfer.since < transfer.until; sent++) this.sendNext(transfer);
      if (transfer.since >= transfer.until) this.running.delete(key);
    }
    for (const [key, transfer] of this.waiting) {
      if (this.running.size >= TRANSFERS) break;
      this.waiting.delete(key);
      this.running.set(key, transfer);
    }
    if (this.running.size > 0) this.timer = this.options.clock.after('repair', PACE, () => this.turn());
  }

  private sendNext(transfer: Transfer): void {
    const { writer, send, counters } = this.options;
    send(tellNext(transfer, writer), transfer.port, transfer.address);
    counters.add('repair-sent');
  }
}
