/**
 * The sending half of notices: tells peers what changed at once, gathers what comes together, paces what is much, and says each second
 * that it is there (docs/protocol.md, Notices).
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Clock, Millis, Random, Signer, Timer, Verify } from '../host/ports.ts';
import type { Trust } from '../pki/trust.ts';
import type { Announced, Self } from './announced.ts';
import type { Counters } from './counters.ts';
import { Ledger } from './ledger.ts';
import { Pending } from './pending.ts';
import { type Medium, Publication } from './publication.ts';
import { type Repair, Repairs } from './repairs.ts';
import { NoticeWriter, sorted } from './writer.ts';

/** What comes within this after a notice goes together into the next. */
const GATHER: Millis = 4;
/** Notices that leave together, and how long the next ones wait. */
const BURST = 8;
const PACE: Millis = 2;
/** After the last notice of a flow, refreshes that let receivers see the loss of it: without them they would wait for the next second. */
const HURRIED: readonly Millis[] = [25, 100];
/** Refreshes that may be missed, and half a one. */
const MISSED = 3.5;

export interface NotifierOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly verify: Verify;
  readonly signer: Signer;
  readonly certificate: Uint8Array;
  readonly boot: number;
  readonly trust: () => Trust;
  readonly refresh: Millis;
  readonly self: () => Self;
  readonly counters: Counters;
  /** To all groups and unicast receivers. */
  readonly tell: (bytes: Uint8Array) => void;
  readonly send: (bytes: Uint8Array, port: number, address: Address) => void;
  /** Where what is told stays to be seen, and how often that is said; absent: nowhere. */
  readonly medium?: (Medium & { readonly refresh: Millis }) | undefined;
}

export class Notifier {
  private readonly options: NotifierOptions;
  private readonly writer: NoticeWriter;
  private readonly ledger = new Ledger();
  private readonly pending = new Pending();
  private readonly repairs: Repairs;
  /** What is kept in OSPF's database. */
  readonly publication: Publication | undefined;
  private beat = 0;
  private flushedAt = Number.NEGATIVE_INFINITY;
  private flushing: Timer | undefined;
  private beating: Timer | undefined;
  private hurried: Timer[] = [];

  constructor(options: NotifierOptions) {
    const { signer, boot, self, certificate } = options;
    this.options = options;
    this.writer = new NoticeWriter(signer, boot, self);
    this.repairs = new Repairs({
      ...options,
      ledger: this.ledger,
      writer: this.writer,
      refresh: fields => this.refresh({ ...fields, certificate, slow: true }),
    });
    const { medium } = options;
    if (medium !== undefined)
      this.publication = new Publication({
        ...{ ...options, medium, ledger: this.ledger, writer: this.writer, interval: medium.refresh },
        refresh: fields => this.refresh({ ...fields, slow: true }),
      });
    this.sendRefresh();
  }

  /** Takes the whole wanted state; what differs goes out now, or with what else comes within a few ms. */
  announce(wanted: Announced): void {
    this.pending.want(wanted);
    this.flushSoon();
  }

  /** A repair that came from `address`. */
  repair(message: Repair, bytes: Uint8Array, address: Address, port: number): void {
    this.repairs.ask(message, bytes, address, port);
  }

  /** `leave`: tells the peers that all is gone; twice, since nothing comes after it that would show its loss. */
  close(leave: boolean): void {
    for (const timer of [this.flushing, this.beating, ...this.hurried]) timer?.cancel();
    this.repairs.close();
    this.publication?.close(leave);
    if (!leave) return;
    this.options.tell(this.refresh({ gone: true }));
    this.options.tell(this.refresh({ gone: true }));
  }

  private flushSoon(): void {
    if (this.flushing !== undefined || this.pending.size === 0) return;
    const early = this.flushedAt + GATHER - this.options.clock.now();
    if (early <= 0) this.flush();
    else this.flushing = this.options.clock.after('notice', early, () => this.flush());
  }

  private flush(): void {
    const { clock, tell, counters } = this.options;
    this.flushing = undefined;
    this.flushedAt = clock.now();
    const room = this.writer.room();
    for (let sent = 0; sent < BURST && this.pending.size > 0; sent++) {
      const taken = this.pending.take(room);
      this.ledger.tell(taken, this.flushedAt);
      const { change } = this.ledger;
      const entries = sorted(taken.map(([, entry]) => entry));
      const bytes = this.writer.notice({ since: change - 1, change, whole: false, ...entries });
      tell(bytes);
      this.publication?.told(bytes);
      counters.add('notice-sent');
    }
    if (this.pending.size > 0) this.flushing = clock.after('notice', PACE, () => this.flush());
    else this.hurry();
  }

  private hurry(): void {
    for (const timer of this.hurried) timer.cancel();
    this.hurried = HURRIED.map(delay =>
      this.options.clock.after('refresh-hurried', delay, () => this.tellRefresh()),
    );
  }

  private sendRefresh(): void {
    const { clock, random, refresh } = this.options;
    this.tellRefresh();
    this.beating = clock.after('refresh', refresh * (0.9 + 0.2 * random.uniform()), () => {
      this.pending.settle();
      this.flushSoon();
      this.sendRefresh();
    });
  }

  private tellRefresh(): void {
    this.options.counters.add('refresh-sent');
    this.options.tell(this.refresh({}));
  }

  /** `slow`: it may be the only one for as long as those over OSPF are apart. */
  private refresh({
    slow = false,
    ...fields
  }: {
    nonce?: Uint8Array;
    cookie?: Uint8Array;
    certificate?: Uint8Array;
    image?: Uint8Array;
    gone?: boolean;
    slow?: boolean;
  }): Uint8Array {
    const { refresh, medium } = this.options;
    const interval = slow && medium !== undefined ? Math.max(refresh, medium.refresh) : refresh;
    const image = this.publication?.image;
    return this.writer.refresh({
      ...{ gone: false, ...(image && { image }), ...fields },
      change: this.ledger.change,
      beat: ++this.beat,
      validity: Math.round(interval * MISSED),
      entries: this.ledger.alive,
    });
  }
}
