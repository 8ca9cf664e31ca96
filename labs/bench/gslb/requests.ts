/** All requests of a world's clients, drawn before anybody chooses: every chooser gets the very same. */
import type { Random } from '../../../appliance/host/ports.ts';
import { CLIENTS, SERVICE, type World } from './world.ts';

export interface Requests {
  readonly count: number;
  /** ms, rising. */
  readonly at: Float64Array;
  /** Number of the client: site × CLIENTS + its number there. */
  readonly client: Int32Array;
  /** ms that a server takes for it. */
  readonly service: Float64Array;
}

/** Poisson arrivals that follow the demand, of clients that ask unevenly often; exponential service. */
export function drawRequests(world: World, random: Random): Requests {
  const { sites, seconds } = world;
  const exponential = (): number => -Math.log(1 - random.uniform());
  const eagerness = sites.map(() => cumulated(Array.from({ length: CLIENTS }, () => 0.3 + exponential())));
  const at: number[] = [];
  const client: number[] = [];
  const service: number[] = [];
  const step = 1000;
  for (let second = 0; second < seconds; second++) {
    const shares = cumulated(world.demand(second + 0.5));
    const rate = shares.at(-1)!;
    for (let now = (exponential() / rate) * step; now < step; now += (exponential() / rate) * step) {
      at.push(second * step + now);
      const site = drawOf(shares, random);
      client.push(site * CLIENTS + drawOf(eagerness[site]!, random));
      service.push(exponential() * SERVICE);
    }
  }
  return {
    count: at.length,
    at: Float64Array.from(at),
    client: Int32Array.from(client),
    service: Float64Array.from(service),
  };
}

function cumulated(weights: readonly number[]): readonly number[] {
  let sum = 0;
  return weights.map(weight => {
    sum += weight;
    return sum;
  });
}

/** The index that a draw hits, by sums of weights. */
function drawOf(sums: readonly number[], random: Random): number {
  const wanted = random.uniform() * sums.at(-1)!;
  return Math.max(
    0,
    sums.findIndex(sum => wanted < sum),
  );
}
