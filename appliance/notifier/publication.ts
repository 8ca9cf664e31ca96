/**
 * What a manager keeps in OSPF's database (docs/protocol.md, Over OSPF): each notice as it was told, and now and then the whole table
 * anew, as an image, after which what it replaces is taken back. So the database holds the table as it is, and who comes late, or
 * was cut off, finds everything there.
 */
import type { Clock, Millis, Random, Timer } from '../host/ports.ts';
import type { Counters } from './counters.ts';
import type { Ledger } from './ledger.ts';
import { type Telling, tellNext } from './telling.ts';
import type { NoticeWriter } from './writer.ts';

/** Where messages are kept for all to see, each under an id. */
export interface Medium {
  /** What is put while it is not up goes nowhere; once it is, it is empty. */
  readonly up: boolean;
  put(bytes: Uint8Array): number;
  /** Puts a message in place of another; it may be held back for 5 s. */
  replace(id: number, bytes: Uint8Array): void;
  remove(id: number): void;
}

/** An image is made so long after the first notice that the one before lacks, and longer the larger that one is. */
const SETTLE: Millis = 5000;
const SETTLE_EACH: Millis = 100;
/** What was replaced stays until each receiver has heard by what. */
const LINGER: Millis = 7000;
/** Messages that are put, or taken back, together, and how long the next ones wait. */
const BURST = 8;
const PACE: Millis = 2;
/** Notices that are put as they are told: so many at once, then so many a second. What comes beyond that goes into the next image. */
const NOTICES = 512;
const NOTICE_RATE = 10;
const NONCE = 8;

export interface PublicationOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly writer: NoticeWriter;
  readonly counters: Counters;
  readonly medium: Medium;
  /** Between two refreshes. */
  readonly interval: Millis;
  /** A refresh that names this image. */
  readonly refresh: (fields: { image?: Uint8Array; gone?: boolean }) => Uint8Array;
}

interface Image {
  readonly nonce: Uint8Array;
  readonly ids: number[];
}

export class Publication {
  private readonly options: PublicationOptions;
  /** What the refresh names. */
  private current: Image | undefined;
  /** Notices since it. */
  private log: number[] = [];
  /** Some notices are in no image yet, and in the log neither. */
  private behind = false;
  private refreshId: number | undefined;
  private tokens = NOTICES;
  private tokensAt: Millis;
  private readonly timers = new Set<Timer>();
  private settling: Timer | undefined;
  private writing = false;

  constructor(options: PublicationOptions) {
    this.options = options;
    this.tokensAt = options.clock.now();
  }

  /** The image that holds the whole table, but for what was told since. */
  get image(): Uint8Array | undefined {
    return this.current?.nonce;
  }

  /** A notice was told. */
  told(bytes: Uint8Array): void {
    const { medium, counters } = this.options;
    if (!medium.up) return;
    if (this.behind || !this.spend()) {
      this.behind = true;
      counters.add('lsa-deferred');
    } else this.log.push(medium.put(bytes));
    this.settle();
  }

  /** The medium is up, and empty. */
  up(): void {
    this.down();
    this.sendRefresh();
    if (this.options.ledger.change > 0) this.writeImage();
  }

  down(): void {
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
    Object.assign(this, { current: undefined, log: [], behind: false, refreshId: undefined });
    Object.assign(this, { settling: undefined, writing: false });
  }

  /** `leave`: says that all is gone, in a message of its own, since one that is replaced may be held back. */
  close(leave: boolean): void {
    const { medium, refresh } = this.options;
    this.down();
    if (leave && medium.up) medium.put(refresh({ gone: true }));
  }

  private sendRefresh(): void {
    const { medium, refresh, random, interval } = this.options;
    const bytes = refresh(this.current === undefined ? {} : { image: this.current.nonce });
    if (this.refreshId === undefined) this.refreshId = medium.put(bytes);
    else medium.replace(this.refreshId, bytes);
    this.after('lsa-refresh', interval * (0.9 + 0.2 * random.uniform()), () => this.sendRefresh());
  }

  private settle(): void {
    if (this.settling !== undefined || this.writing) return;
    const wait = Math.max(SETTLE, SETTLE_EACH * (this.current?.ids.length ?? 0));
    this.settling = this.after('lsa-image', wait, () => {
      this.settling = undefined;
      this.writeImage();
    });
  }

  private writeImage(): void {
    const { ledger, random } = this.options;
    const { log } = this;
    this.log = [];
    this.behind = false;
    this.writing = true;
    const image: Image = { nonce: random.bytes(NONCE), ids: [] };
    const lines = ledger.after(0);
    const telling = { nonce: image.nonce, whole: true, lines, until: ledger.change, at: 0, since: 0 };
    this.write(image, telling, log);
  }

  private write(image: Image, telling: Telling, replaced: readonly number[]): void {
    const { medium, writer } = this.options;
    for (let sent = 0; sent < BURST && telling.since < telling.until; sent++)
      image.ids.push(medium.put(tellNext(telling, writer)));
    if (telling.since < telling.until) {
      this.after('lsa-image-next', PACE, () => this.write(image, telling, replaced));
      return;
    }
    const before = this.current?.ids ?? [];
    this.current = image;
    this.writing = false;
    this.nameImage();
    this.after('lsa-flush', LINGER, () => this.remove([...before, ...replaced]));
    if (this.log.length > 0 || this.behind) this.settle();
  }

  /** Those who come now learn of it by the answer to their question, all others by the next refresh at the latest. */
  private nameImage(): void {
    const { medium, refresh } = this.options;
    if (this.refreshId !== undefined) medium.replace(this.refreshId, refresh({ image: this.current!.nonce }));
  }

  private remove(ids: readonly number[]): void {
    for (const id of ids.slice(0, BURST)) this.options.medium.remove(id);
    if (ids.length > BURST) this.after('lsa-flush', PACE, () => this.remove(ids.slice(BURST)));
  }

  private spend(): boolean {
    const now = this.options.clock.now();
    this.tokens = Math.min(NOTICES, this.tokens + ((now - this.tokensAt) * NOTICE_RATE) / 1000);
    this.tokensAt = now;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }

  private after(name: string, delay: Millis, run: () => void): Timer {
    const timer = this.options.clock.after(name, delay, () => {
      this.timers.delete(timer);
      run();
    });
    this.timers.add(timer);
    return timer;
  }
}
