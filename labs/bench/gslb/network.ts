/**
 * Requests through sites and links in virtual time. A request leaves its client, is a connection and a question (two round trips), waits
 * for a server, is served, and its answer goes out through the link of the server's site and in through that of the client's.
 */
import type { VirtualClock } from '../../../test/support/virtual/clock.ts';
import { Events } from './events.ts';
import { Farm, Pipe } from './farm.ts';
import type { Requests } from './requests.ts';
import { ANSWER, CLIENTS, RETRY, TRIES, WARM, type World } from './world.ts';

/** Which site a client's next request goes to. */
export interface Chooser {
  /** `client`: its number; `at`: ms; `service`: what this request takes, which only hindsight may look at. */
  choose(client: number, at: number, service: number): number;
}

/** What clients saw, ms. */
export interface Seen {
  readonly mean: number;
  readonly p99: number;
  /** By the second in which requests were made: their number, and the sum of their times. */
  readonly count: Float64Array;
  readonly sum: Float64Array;
}

/** What is under way in a request, as a part of its event's number. */
const STAGES = 4;
const ARRIVES = 0;
const SERVED = 1;
const OUT = 2;
const INTO = 3;

export class Network {
  readonly world: World;
  readonly clock: VirtualClock;
  readonly farms: readonly Farm[];
  readonly out: readonly Pipe[];
  readonly in: readonly Pipe[];
  private readonly events = new Events();
  private tries = new Uint8Array(0);

  constructor(world: World, clock: VirtualClock) {
    this.world = world;
    this.clock = clock;
    this.farms = world.sites.map(({ servers }) => new Farm(servers));
    this.out = world.sites.map(({ rate }) => new Pipe(rate));
    this.in = world.sites.map(({ rate }) => new Pipe(rate));
  }

  /** There and back between two sites, as a small packet takes it now, ms; 0 at home. */
  roundTrip(from: number, to: number, at: number): number {
    if (from === to) return 0;
    const waits = [this.out[from]!, this.in[from]!, this.out[to]!, this.in[to]!];
    return this.distance(from, to) * 2 + waits.reduce((sum, pipe) => sum + pipe.wait(at), 0);
  }

  /** Whether what is sent there or back now is lost. */
  lossy(from: number, to: number, at: number): boolean {
    return [this.out[from]!, this.in[from]!, this.out[to]!, this.in[to]!].some(pipe => pipe.full(at));
  }

  /** Runs all requests to their ends. */
  run(requests: Requests, chooser: Chooser): Seen {
    const { events, world } = this;
    const site = new Uint8Array(requests.count);
    this.tries = new Uint8Array(requests.count);
    const ends = new Float64Array(requests.count);
    let second = -1;
    let next = 0;
    for (;;) {
      const starts = next < requests.count ? requests.at[next]! : Number.POSITIVE_INFINITY;
      const now = Math.min(starts, events.next);
      if (now === Number.POSITIVE_INFINITY) break;
      // What managers and the GSLB do by the clock comes before what happens at the same time; afterwards nothing counts.
      if (now < world.seconds * 1000) this.clock.advanceSync(now - this.clock.now());
      for (; second < Math.floor(now / 1000) && second < world.seconds; ) this.share(++second);
      if (starts <= events.next) {
        const client = requests.client[next]!;
        const at = chooser.choose(client, starts, requests.service[next]!);
        site[next] = at;
        events.push(starts + 3 * this.distance(Math.floor(client / CLIENTS), at), next * STAGES + ARRIVES);
        next++;
      } else {
        events.pop();
        const which = Math.floor(events.what / STAGES);
        this.step(which, events.what % STAGES, requests, site[which]!, ends);
      }
    }
    return seen(requests, ends, world.seconds);
  }

  private step(which: number, stage: number, requests: Requests, at: number, ends: Float64Array): void {
    const { events } = this;
    const now = events.time;
    const from = Math.floor(requests.client[which]! / CLIENTS);
    const farm = this.farms[at]!;
    const then = (time: number, what: number): void => events.push(time, which * STAGES + what);
    const again = (what: number): void => {
      const wait = RETRY * 2 ** this.tries[which]!++;
      if (this.tries[which]! <= TRIES) then(now + wait, what);
      else ends[which] = now + wait;
    };
    if (stage === ARRIVES) {
      if (farm.full) {
        again(ARRIVES);
        return;
      }
      farm.connections++;
      then(farm.take(now, requests.service[which]!), SERVED);
      return;
    }
    if (stage === SERVED) farm.connections--;
    if (from === at) {
      ends[which] = now;
      return;
    }
    const pipe = stage === INTO ? this.in[from]! : this.out[at]!;
    // Sent again when it was lost, by who still has it.
    if (pipe.full(now)) again(stage === INTO ? INTO : OUT);
    else if (stage === INTO) ends[which] = pipe.take(now, ANSWER) + this.distance(from, at);
    else then(pipe.take(now, ANSWER), INTO);
  }

  private share(second: number): void {
    for (const [at, part] of this.world.background(second).entries())
      for (const pipe of [this.out[at]!, this.in[at]!]) pipe.share(part, second * 1000);
  }

  /** One way, ms. */
  private distance(from: number, to: number): number {
    const { sites } = this.world;
    return from === to ? 0 : sites[from]!.delay + sites[to]!.delay;
  }
}

function seen(requests: Requests, ends: Float64Array, seconds: number): Seen {
  const count = new Float64Array(seconds);
  const sum = new Float64Array(seconds);
  const times: number[] = [];
  for (let which = 0; which < requests.count; which++) {
    const begun = requests.at[which]!;
    const time = ends[which]! - begun;
    count[Math.floor(begun / 1000)]!++;
    sum[Math.floor(begun / 1000)]! += time;
    if (begun >= WARM * 1000) times.push(time);
  }
  const sorted = Float64Array.from(times).sort();
  return {
    mean: sorted.reduce((all, time) => all + time, 0) / sorted.length,
    p99: sorted[Math.floor(sorted.length * 0.99)]!,
    count,
    sum,
  };
}
