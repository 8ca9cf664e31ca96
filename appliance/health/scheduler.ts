/**
 * Checks every service at its time, and says when one's health has changed.
 *
 *     wanted ──▶ due (heap, one timer) ──▶ ready (fair queue) ──▶ running (heap, deadlines) ──▶ judge ──▶ verdict
 */
import type { CheckTarget } from '../desired/wanted.ts';
import type { Clock, Millis, Random, Timer } from '../host/ports.ts';
import type { Event } from '../registry/events.ts';
import { sameCheck } from '../registry/same-check.ts';
import type { ServiceKey } from '../registry/state.ts';
import { Table } from '../registry/table.ts';
import { DueHeap } from './due-heap.ts';
import { type CheckEntry, type CheckStatus, createEntry, LANE_LIMITS, statusOf } from './entry.ts';
import { FairQueue } from './fair-queue.ts';
import { judge, undecided } from './judge.ts';
import { failed, inconclusive, labelOf, type ProbeResult } from './probe.ts';
import type { Probes } from './probes.ts';

export type Verdict = Extract<Event, { type: 'verdict' }>;

/** Interval while the outcome is open (unknown, or in the midst of rise or fall), unless the check's own is shorter. */
export const FAST_INTERVAL: Millis = 200;

/** Share of the interval by which each wait is longer or shorter at random, so that checks never fall into step. */
const JITTER = 0.1;

/** First checks done at once, and how many more a second; those beyond wait a random part of their interval, LONGEST_STAGGER at most. */
const FIRST_CHECKS = { burst: 64, perSecond: 500 } as const;
const LONGEST_STAGGER: Millis = 10_000;

/** Checks that are started in one turn of the event loop, so that a burst never holds up sessions. */
const STARTS_PER_TURN = 32;

/** Checks under way at once, unless the caller says otherwise. */
const DEFAULT_LIMIT = 2_048;

export interface HealthOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly probes: Probes;
  /** Never called from within `set` or `recheck`. */
  readonly emit: (verdict: Verdict) => void;
  /** Checks under way at once; each may hold a socket. */
  readonly limit?: number;
}

export interface HealthStats {
  readonly checks: number;
  /** Due, but waiting for room. */
  readonly ready: number;
  readonly running: number;
  /** Since the start. */
  readonly done: number;
  readonly failed: number;
  readonly inconclusive: number;
  /** How late the latest check began. */
  readonly lag: Millis;
}

export interface Health {
  /** Takes all services that are to be checked. Those whose check is as before keep their history and their time. */
  set(wanted: Table<ServiceKey, CheckTarget>): void;
  /** Checks it as soon as possible: something (a lost session, a lapsed connection) makes one doubt it. */
  recheck(service: ServiceKey): void;
  status(): readonly CheckStatus[];
  statusOf(service: ServiceKey): CheckStatus | undefined;
  stats(): HealthStats;
  /** Ends all checks for good: what is set afterwards is not checked. No verdict follows. */
  close(): void;
}

export const createHealth = (options: HealthOptions): Health => new Scheduler(options);

class Scheduler implements Health {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly probes: Probes;
  private readonly emit: (verdict: Verdict) => void;
  private wanted = Table.empty<ServiceKey, CheckTarget>();
  private readonly entries = new Map<ServiceKey, CheckEntry>();
  private readonly due = new DueHeap<CheckEntry>();
  private readonly queue: FairQueue<CheckEntry>;
  private readonly counts = { done: 0, failed: 0, inconclusive: 0, lag: 0 };
  private readonly firsts: { tokens: number; at: Millis };
  private timer: Timer | undefined;
  private armedFor = Number.POSITIVE_INFINITY;
  /** The last turn stopped for its length: there is more to start at once. */
  private cutShort = false;
  private closed = false;

  constructor({ clock, random, probes, emit, limit = DEFAULT_LIMIT }: HealthOptions) {
    this.clock = clock;
    this.random = random;
    this.probes = probes;
    this.emit = emit;
    this.queue = new FairQueue(limit);
    this.firsts = { tokens: FIRST_CHECKS.burst, at: clock.now() };
  }

  set(wanted: Table<ServiceKey, CheckTarget>): void {
    if (this.closed) return;
    for (const { key, after } of wanted.changesSince(this.wanted)) this.change(key, after);
    this.wanted = wanted;
    this.arm();
  }

  recheck(service: ServiceKey): void {
    const entry = this.entries.get(service);
    if (entry === undefined || entry.ready || entry.target.check.kind === 'none') return;
    if (entry.attempt !== undefined) entry.hastened = true;
    else this.due.set(entry, this.clock.now());
    this.arm();
  }

  status(): readonly CheckStatus[] {
    return Array.from(this.entries.values(), statusOf);
  }

  statusOf(service: ServiceKey): CheckStatus | undefined {
    const entry = this.entries.get(service);
    return entry && statusOf(entry);
  }

  stats(): HealthStats {
    const { entries, queue, counts } = this;
    return { checks: entries.size, ready: queue.waiting, running: queue.running, ...counts };
  }

  close(): void {
    this.closed = true;
    for (const entry of this.entries.values()) this.drop(entry);
    this.entries.clear();
    this.wanted = Table.empty();
    this.timer?.cancel();
    this.armedFor = Number.POSITIVE_INFINITY;
  }

  private change(key: ServiceKey, target: CheckTarget | undefined): void {
    const before = this.entries.get(key);
    const made = target && createEntry(key, target, this.clock.now());
    if (before !== undefined && before.round === made?.round && sameCheck(before.target, made.target)) {
      before.target = made.target;
      return;
    }
    if (before !== undefined) this.drop(before);
    if (made === undefined) {
      this.entries.delete(key);
      return;
    }
    this.entries.set(key, made);
    this.due.set(made, this.clock.now() + this.firstDelay(made));
  }

  /** When the first check is done: at once, unless there were too many of them just now. */
  private firstDelay({ target }: CheckEntry): Millis {
    const { firsts } = this;
    const now = this.clock.now();
    const earned = ((now - firsts.at) / 1_000) * FIRST_CHECKS.perSecond;
    firsts.tokens = Math.min(FIRST_CHECKS.burst, firsts.tokens + earned);
    firsts.at = now;
    if (firsts.tokens < 1) return this.random.uniform() * Math.min(target.check.interval, LONGEST_STAGGER);
    firsts.tokens--;
    return 0;
  }

  /** Sets the one timer to what is due first. If it is set to an earlier time it stays: a turn with nothing to do costs less. */
  private arm(): void {
    const now = this.clock.now();
    const next = this.cutShort ? now : (this.due.peek()?.due ?? Number.POSITIVE_INFINITY);
    if (next >= this.armedFor) return;
    this.timer?.cancel();
    this.armedFor = next;
    this.timer = this.clock.after('health', Math.max(0, next - now), () => this.turn());
  }

  private turn(): void {
    this.armedFor = Number.POSITIVE_INFINITY;
    const now = this.clock.now();
    for (let entry = this.due.peek(); entry !== undefined && entry.due <= now; entry = this.due.peek()) {
      if (entry.attempt === undefined) this.makeReady(entry);
      else this.overdue(entry);
    }
    this.start();
    this.arm();
  }

  private makeReady(entry: CheckEntry): void {
    this.due.remove(entry);
    entry.ready = true;
    this.queue.add(entry.lane, LANE_LIMITS[entry.lane] ?? LANE_LIMITS.address, entry);
  }

  private start(): void {
    for (let started = 0; started < STARTS_PER_TURN; started++) {
      const entry = this.queue.take();
      this.cutShort = entry !== undefined;
      if (entry === undefined) return;
      this.begin(entry);
    }
  }

  private begin(entry: CheckEntry): void {
    const { target } = entry;
    const now = this.clock.now();
    const abort = new AbortController();
    const attempt = { signal: abort.signal, stage: '', abort: () => abort.abort(), began: now };
    this.counts.lag = now - entry.due;
    entry.ready = false;
    entry.attempt = attempt;
    this.due.set(entry, now + target.check.timeout);
    const finish = (result: ProbeResult): void => {
      if (entry.attempt === attempt) this.finish(entry, result);
    };
    this.probes[target.check.kind](target, attempt).then(finish, (error: unknown) =>
      finish(inconclusive(`${labelOf(target)} could not be checked: ${messageOf(error)}`)),
    );
  }

  /** Its time is up, whatever the driver is doing. */
  private overdue(entry: CheckEntry): void {
    const { attempt, target } = entry;
    const stage = attempt?.stage ? `: ${attempt.stage}` : '';
    const sentence = `${labelOf(target)} timed out after ${target.check.timeout} ms${stage}`;
    attempt?.abort(); // First, so that its socket is closed before another check takes the room.
    this.finish(entry, failed('check-timeout', sentence));
  }

  private finish(entry: CheckEntry, result: ProbeResult): void {
    const { clock, counts } = this;
    const now = clock.now();
    const began = entry.attempt?.began ?? now;
    this.stop(entry);
    counts.done++;
    if (result.outcome === 'fail') counts.failed++;
    if (result.outcome === 'inconclusive') counts.inconclusive++;
    entry.checks++;
    entry.last = { outcome: result.outcome, reason: result.reason, at: now, took: now - began };
    const { after, change } = judge(entry.judgement, result, entry.target.check);
    entry.judgement = after;
    if (change !== undefined) entry.since = now;
    this.plan(entry, began);
    this.start();
    this.arm();
    if (change !== undefined) this.emit({ type: 'verdict', service: entry.key, ...change });
  }

  /** Sets the time of the next check, counted from the beginning of the last. */
  private plan(entry: CheckEntry, began: Millis): void {
    const { check } = entry.target;
    if (check.kind === 'none') return;
    const base = undecided(entry.judgement) ? Math.min(check.interval, FAST_INTERVAL) : check.interval;
    const interval = base * (1 + JITTER * (2 * this.random.uniform() - 1));
    this.due.set(entry, entry.hastened ? this.clock.now() : Math.max(this.clock.now(), began + interval));
    entry.hastened = false;
  }

  /** Takes it out of wherever it is. */
  private stop(entry: CheckEntry): void {
    this.due.remove(entry);
    if (entry.ready) this.queue.drop(entry.lane, entry);
    if (entry.attempt !== undefined) this.queue.finished(entry.lane);
    entry.ready = false;
    entry.attempt = undefined;
  }

  private drop(entry: CheckEntry): void {
    const { attempt } = entry;
    this.stop(entry);
    attempt?.abort();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
