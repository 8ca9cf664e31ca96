/** All ways to choose in one world, each with the very same requests. Pure: a seed gives the same figures each time. */

import { VirtualClock } from '../../../test/support/virtual/clock.ts';
import { seededRandom } from '../../../test/support/virtual/random.ts';
import { hindsight, nearestOnly, recorded, roundRobin } from './choosers.ts';
import { type Chooser, Network, type Seen } from './network.ts';
import { oracle } from './oracle.ts';
import { byGslb } from './ours.ts';
import { drawRequests } from './requests.ts';
import { makeWorld, type World } from './world.ts';

/** Mean and 99th percentile of response times, ms. */
export type Times = Pick<Seen, 'mean' | 'p99'>;

export interface Judged {
  readonly ours: Times;
  /** For each request by itself, with everything known. */
  readonly request: Times;
  /** The best answers of a DNS that knows the demand. */
  readonly answers: Times;
  readonly roundRobin: Times;
  readonly nearest: Times;
  readonly weighted: Times;
}

/** How much a wait counts that others have, too: the one that is best in a world is its hindsight. */
const REGARDS = [2, 3, 5];

export const worldOf = (seed: number): World => makeWorld(seededRandom(seed));

/** `weighted`: what gdnsd answered, one after the other. */
export function judge(seed: number, weighted: readonly number[]): Judged {
  const world = worldOf(seed);
  const requests = drawRequests(world, seededRandom(seed + 1000));
  const run = (make: (network: Network) => Chooser): Times => {
    const network = new Network(world, new VirtualClock());
    const { mean, p99 } = network.run(requests, make(network));
    return { mean, p99 };
  };
  const [request] = REGARDS.map(regard => run(hindsight(regard))).sort((one, other) => one.mean - other.mean);
  return {
    ours: run(network => byGslb(network, seededRandom(seed + 2000))),
    request: request!,
    answers: run(oracle),
    roundRobin: run(roundRobin),
    nearest: run(nearestOnly),
    weighted: run(network => recorded(network, weighted)),
  };
}
