/**
 * The workers that answer datagrams, as the main thread sees them: told of every change, given the answers that they ask for, counted,
 * and started again when one ends.
 */
import type { Clock, Log, Millis, Timer } from '../host/ports.ts';
import type { Authority } from './authority.ts';
import type { FromClerk, ToClerk } from './clerk.ts';
import { type DnsCounts, noCounts } from './counters.ts';

/** A worker that runs. */
export interface WorkerHandle {
  post(message: ToClerk): void;
  /** Ends it; resolves when it has ended. */
  stop(): Promise<void>;
}

/** Starts a worker whose sockets are bound when it resolves; rejects when they cannot be. `onGone` comes once, if it ends by itself. */
export type StartWorker = (
  onMessage: (message: FromClerk) => void,
  onGone: (reason: string) => void,
) => Promise<WorkerHandle>;

/** A worker that ended is started again at once; if it does not last, after so long, and twice as long each time. */
const AGAIN: Millis = 200;
const AGAIN_MOST: Millis = 30_000;
/** Each is asked for its counts now and then; one that has not answered so many times is stuck, and its clients with it. */
const WATCH: Millis = 10_000;
const MOST_UNANSWERED = 3;
/** Having run for so long is lasting. */
const LASTING: Millis = 30_000;

export class WorkerPool {
  private readonly deps: { readonly clock: Clock; readonly log: Log; readonly authority: Authority };
  private readonly start: StartWorker;
  private readonly members = new Set<Member>();

  constructor(deps: WorkerPool['deps'], start: StartWorker) {
    this.deps = deps;
    this.start = start;
  }

  /** Starts so many. Rejects when the first cannot be. */
  async open(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const member = new Member(this.deps, this.start);
      await member.open();
      this.members.add(member);
    }
  }

  /** The sum of what all have done, as of some moments ago; asks anew. */
  counts(): DnsCounts {
    const sum = noCounts();
    for (const member of this.members) {
      for (const field of Object.keys(sum) as (keyof DnsCounts)[])
        sum[field] += member.counts[field] + member.before[field];
      member.ask();
    }
    return sum;
  }

  /** How often a worker has ended by itself. */
  get ended(): number {
    return [...this.members].reduce((sum, member) => sum + member.ended, 0);
  }

  async close(): Promise<void> {
    await Promise.all([...this.members].map(member => member.close()));
    this.members.clear();
  }
}

/** One worker after another. */
class Member {
  /** Of the present worker, and of those before it. */
  counts = noCounts();
  readonly before = noCounts();
  ended = 0;
  private readonly deps: WorkerPool['deps'];
  private readonly start: StartWorker;
  private handle: WorkerHandle | undefined;
  private unsubscribe: (() => void) | undefined;
  private again: Timer | undefined;
  private watch: Timer | undefined;
  /** Questions for its counts since it last said something. */
  private unanswered = 0;
  private wait: Millis = 0;
  private wanted = true;

  constructor(deps: WorkerPool['deps'], start: StartWorker) {
    this.deps = deps;
    this.start = start;
  }

  async open(): Promise<void> {
    const { authority, clock } = this.deps;
    const since = clock.now();
    const handle = await this.start(
      message => this.hear(message),
      reason => this.gone(reason, clock.now() - since),
    );
    if (!this.wanted) return handle.stop();
    this.handle = handle;
    this.unsubscribe = authority.subscribe(update => handle.post({ kind: 'update', update }));
    this.unanswered = 0;
    this.lookAfter(handle);
  }

  ask(): void {
    this.handle?.post({ kind: 'count' });
  }

  private lookAfter(handle: WorkerHandle): void {
    this.watch = this.deps.clock.after('dns-worker-watch', WATCH, () => {
      if (this.unanswered++ < MOST_UNANSWERED) {
        this.ask();
        this.lookAfter(handle);
        return;
      }
      void handle.stop();
      this.gone('it did not answer', 0);
    });
  }

  async close(): Promise<void> {
    this.wanted = false;
    this.again?.cancel();
    this.watch?.cancel();
    this.unsubscribe?.();
    await this.handle?.stop();
  }

  private hear(message: FromClerk): void {
    this.unanswered = 0;
    if (message.kind === 'counts') {
      this.counts = message.counts;
      return;
    }
    const { name, type, place } = message;
    const answer = this.deps.authority.finish(name, type, place);
    this.handle?.post({ kind: 'finished', name, type, place, answer });
  }

  private gone(reason: string, lasted: Millis): void {
    const { log, clock } = this.deps;
    this.unsubscribe?.();
    this.watch?.cancel();
    this.handle = undefined;
    for (const field of Object.keys(this.before) as (keyof DnsCounts)[])
      this.before[field] += this.counts[field];
    this.counts = noCounts();
    if (!this.wanted) return;
    this.ended++;
    if (lasted > LASTING) this.wait = 0;
    log('error', 'dns-worker-ended', { reason, lasted, again: this.wait });
    this.again = clock.after('dns-worker', this.wait, () => {
      this.open().catch((error: unknown) => this.gone((error as Error).message, 0));
    });
    this.wait = Math.min(AGAIN_MOST, Math.max(AGAIN, 2 * this.wait));
  }
}
