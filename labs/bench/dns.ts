/**
 * The DNS server's figures: answers a second on one core beside gdnsd, PowerDNS and knot, by dnsperf, in turn and run by run; and what a second
 * thread adds.
 */
import { amplificationFigure } from './dns-amplification.ts';
import { DnsBed, type Running, residentOf, type Speed } from './dns-bed.ts';
import { gdnsd, knot, powerdns } from './dns-peers.ts';
import { threadFigures } from './dns-threads.ts';
import { type Beside, type Figure, ratios, sample } from './figure.ts';

const SUBNETS = 200;

export interface DnsBenchOptions {
  readonly runs: number;
  /** s of one measurement. */
  readonly duration?: number;
}

/** Measures; needs root, and Debian's gdnsd, pdns-backend-geoip, knot-module-geoip and dnsperf. */
export async function dnsFigures({ runs, duration = 1 }: DnsBenchOptions): Promise<Figure[]> {
  const bed = new DnsBed(duration);
  try {
    const same = await servers(bed, 0);
    const subnets = await servers(bed, SUBNETS);
    const speeds = new Map<Running, Speed[]>([...same, ...subnets].map(one => [one, []]));
    // Once for nothing: caches are empty, and code that has not run yet is not compiled yet.
    for (const [server] of speeds) bed.speed(server, subnets.includes(server));
    for (let run = 0; run < runs; run++)
      for (const [server, list] of speeds) list.push(bed.speed(server, subnets.includes(server)));
    const numbers = (server: Running, field: keyof Speed): number[] =>
      speeds.get(server)!.map(one => one[field]);
    const figure = (
      name: string,
      unit: string,
      field: keyof Speed,
      [ours, ...others]: readonly Running[],
    ): Figure => {
      const ratio = ratios(numbers(ours!, field), numbers(others[0]!, field));
      const beside = others.map((one): Beside => ({ name: one.name, sample: sample(numbers(one, field)) }));
      const own = sample(numbers(ours!, field));
      const met = ratio.median >= 1 && beside.slice(1).every(other => own.median > other.sample.median);
      return { name, unit, ours: own, beside, ratio, goal: '≥ gdnsd, > the others', met };
    };
    const asked = same.map(one => ({ name: one.name, asked: bed.amplified(one) }));
    return [
      figure('answers a second, one core, 1,000 names', '1/s', 'rate', same),
      figure('answers for each second of processor time, 1,000 names', '1/s', 'perProcessor', same),
      figure("answers a second, one core, by the client's subnet", '1/s', 'rate', subnets),
      figure(
        "answers for each second of processor time, by the client's subnet",
        '1/s',
        'perProcessor',
        subnets,
      ),
      ...(await threadFigures(bed, runs)),
      {
        name: 'resident memory, 1,000 names',
        unit: 'MB',
        ours: sample([residentOf(same[0]!)]),
        beside: same.slice(1).map(one => ({ name: one.name, sample: sample([residentOf(one)]) })),
        goal: 'reported',
        met: true,
      },
      amplificationFigure(asked),
    ];
  } finally {
    await bed.close();
  }
}

/** Ours, gdnsd, PowerDNS and knot, on the same core. */
async function servers(bed: DnsBed, subnets: number): Promise<readonly [Running, ...Running[]]> {
  const ours = await bed.ours('ours', 1, subnets);
  const peers: Running[] = [];
  for (const peer of [gdnsd, powerdns, knot]) peers.push(await bed.peer(peer, subnets));
  return [ours, ...peers];
}
