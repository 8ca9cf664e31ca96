/** Ways to choose that the GSLB's is held against. */

import { Farm, type Pipe } from './farm.ts';
import type { Chooser, Network } from './network.ts';
import { ANSWER, CLIENTS } from './world.ts';

/** s that peers' answers are kept: as long as the GSLB's longest. */
export const PEER_TTL = 20;

/** An answer of DNS: the site, and for how many seconds a client keeps it. */
export type Resolve = (client: number, at: number) => { readonly site: number; readonly ttl: number };

/** Clients that ask DNS when what they were told last has expired. */
export function byDns(clients: number, resolve: Resolve): Chooser {
  const until = new Float64Array(clients).fill(-1);
  const told = new Uint8Array(clients);
  return {
    choose(client, at) {
      if (at >= until[client]!) {
        const { site, ttl } = resolve(client, at);
        told[client] = site;
        until[client] = at + ttl * 1000;
      }
      return told[client]!;
    },
  };
}

/** Each query gets the next site. */
export function roundRobin({ world }: Network): Chooser {
  const { length } = world.sites;
  let turn = 0;
  return byDns(length * CLIENTS, () => ({ site: turn++ % length, ttl: PEER_TTL }));
}

/** Everybody's own site, for every one serves. */
export const nearestOnly = ({ world }: Network): Chooser =>
  byDns(world.sites.length * CLIENTS, client => ({ site: Math.floor(client / CLIENTS), ttl: PEER_TTL }));

/** Answers as somebody gave them to real queries, one by one. */
export function recorded({ world }: Network, answers: readonly number[]): Chooser {
  let turn = 0;
  return byDns(world.sites.length * CLIENTS, () => ({
    site: answers[turn++ % answers.length]!,
    ttl: PEER_TTL,
  }));
}

/**
 * The best choice in hindsight: for each single request, when it is made, the site where it will be done first, knowing what every server
 * and link is busy with, what is on its way to them, and how long this very request takes. No DNS can do that: its answers are kept, and
 * it does not know what comes. Who queues makes those behind wait, too: `regard` is how much more than its own a wait counts; which
 * is best depends on the world.
 */
export const hindsight =
  (regard: number) =>
  (network: Network): Chooser => {
    const { sites } = network.world;
    // What is on its way counts as if it were there.
    const farms = sites.map(({ servers }) => new Farm(servers));
    const trips = sites.map((one, from) =>
      sites.map((other, to) => (from === to ? 0 : 2 * (one.delay + other.delay))),
    );
    const buckets = new Map([...network.out, ...network.in].map(pipe => [pipe, new Bucket(pipe)] as const));
    const cost = (from: number, to: number, at: number): number => {
      const trip = trips[from]![to]!;
      const there = at + 1.5 * trip;
      const wait = farms[to]!.begin(there) - there;
      if (from === to) return regard * wait;
      const [out, into] = [buckets.get(network.out[to]!)!, buckets.get(network.in[from]!)!];
      const through = network.out[to]!.time(ANSWER) + network.in[from]!.time(ANSWER);
      return 2 * trip + regard * (wait + out.wait(at) + into.wait(at)) + through;
    };
    return {
      choose(client, at, service) {
        const from = Math.floor(client / CLIENTS);
        let best = from;
        let least = cost(from, from, at);
        for (let to = 0; to < sites.length; to++) {
          const here = to === from ? least : cost(from, to, at);
          if (here < least) [best, least] = [to, here];
        }
        farms[best]!.take(at + 1.5 * trips[from]![best]!, service);
        if (best !== from)
          for (const pipe of [network.out[best]!, network.in[from]!]) buckets.get(pipe)!.add(at);
        return best;
      },
    };
  };

/** What a pipe has before it, with what is on its way there. */
class Bucket {
  private readonly pipe: Pipe;
  private bits = 0;
  private last = 0;

  constructor(pipe: Pipe) {
    this.pipe = pipe;
  }

  add(at: number): void {
    this.drain(at);
    this.bits += ANSWER;
  }

  /** ms. */
  wait(at: number): number {
    this.drain(at);
    return this.pipe.time(this.bits);
  }

  private drain(at: number): void {
    this.bits = Math.max(0, this.bits - (at - this.last) / this.pipe.time(1));
    this.last = at;
  }
}
