/**
 * Notices by OSPF, beside the same notices by multicast, and beside a bare opaque LSA: from the change to whoever hears it behind two
 * routers, over Debian's FRR with all its timers as it has them. Both ends are in this process, so that one clock counts.
 */
import { Flood } from '../../appliance/flooding/flood.ts';
import { createClock } from '../../appliance/host/clock.ts';
import { createRandom } from '../../appliance/host/random.ts';
import { openVty } from '../../appliance/host/vty.ts';
import { address } from '../../sdk/wire/address.ts';
import { many, netIn, Row, type Speaker } from '../../test/support/flooding.ts';
import { poll } from '../../test/support/netns.ts';
import { now } from './clock.ts';
import { type Figure, ratios, sample } from './figure.ts';

const GROUP = address('239.255.79.47');
/** Another than the notices by OSPF use in the same namespaces. */
const PORT = 9750;
/** Another opaque type than the notices'. */
const BARE = 200;
/** Between two changes: what comes sooner is gathered, and waits. */
const APART = 60;
const THOUSAND = 1000;
const LIMIT = 60_000;

/** Measures; needs root, FRR and its pimd. */
export async function floodFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const row = await Row.start({ multicast: true });
  try {
    const [a, b] = [await row.speak('a'), await row.speak('b')];
    const datagrams = { port: PORT, groups: [GROUP], interfaces: ['e0'], ospf: undefined };
    const [c, d] = [
      await row.speak('a', { changes: datagrams }),
      await row.speak('b', { changes: datagrams }),
    ];
    const bare = await barePair(row);
    for (const [from, to] of [
      [a, b],
      [c, d],
    ] as const) {
      from.announce(many(1, 1));
      await poll(() => to.bindings.size === 1, LIMIT, 'the first notice');
    }
    const times: Record<'ospf' | 'multicast' | 'lsa', number[]> = { ospf: [], multicast: [], lsa: [] };
    // Once for nothing: code that has not run yet is not compiled yet.
    for (let run = -1; run < runs; run++) {
      const took = [await travel(a, b, run + 3), await travel(c, d, run + 3), await bare.travel()] as const;
      if (run < 0) continue;
      for (const [index, name] of (['ospf', 'multicast', 'lsa'] as const).entries())
        times[name].push(took[index]!);
    }
    bare.close();
    return [oneChange(times), ...(await bursts(row, [a, b], [c, d]))];
  } finally {
    await row.dispose();
  }
}

function oneChange({
  ospf,
  multicast,
  lsa,
}: Record<'ospf' | 'multicast' | 'lsa', readonly number[]>): Figure {
  const [ours, theirs] = [sample(ospf), sample(multicast)];
  return {
    ...{ name: 'a change is heard two hops away, by OSPF', unit: 'ms', ours },
    beside: [
      { name: 'by multicast', sample: theirs },
      { name: 'an opaque LSA by itself', sample: sample(lsa) },
    ],
    ratio: ratios(ospf, multicast),
    ...{ goal: 'at most 10 ms above multicast', met: ours.median <= theirs.median + 10 },
  };
}

async function travel(from: Speaker, to: Speaker, epoch: number): Promise<number> {
  await pause(APART);
  const begun = now();
  from.announce(many(1, epoch));
  await poll(() => [...to.bindings.values()][0] === epoch, LIMIT, 'the change', 0);
  return now() - begun;
}

/** A thousand changes at once: until all are heard, and how many LSUs that takes on the last link, the table once more included. */
async function bursts(
  row: Row,
  [a, b]: readonly [Speaker, Speaker],
  [c, d]: readonly [Speaker, Speaker],
): Promise<Figure[]> {
  const times: Record<'ospf' | 'multicast' | 'updates', number[]> = { ospf: [], multicast: [], updates: [] };
  for (let run = 0; run < 3; run++) {
    times.multicast.push(await burst(c, d, 100 + run));
    const before = await row.updates('b');
    const flushed = (): number => a.notices.counters()['lsa-flushed'] ?? 0;
    const was = flushed();
    times.ospf.push(await burst(a, b, 100 + run));
    await poll(() => flushed() > was + 50, LIMIT, 'what was replaced is flushed', 100);
    await pause(3000);
    times.updates.push((await row.updates('b')) - before);
  }
  const [ours, theirs] = [sample(times.ospf), sample(times.multicast)];
  const updates = sample(times.updates);
  return [
    {
      ...{ name: '1,000 changes at once are heard two hops away, by OSPF', unit: 'ms', ours },
      beside: [{ name: 'by multicast', sample: theirs }],
      ratio: ratios(times.ospf, times.multicast),
      ...{ goal: 'at most 200 ms above multicast', met: ours.median <= theirs.median + 200 },
    },
    {
      ...{ name: 'LSUs of it on a link, with the new image and the flush', unit: '', ours: updates },
      ...{ beside: [], goal: 'below 500', met: updates.max < 500 },
    },
  ];
}

async function burst(from: Speaker, to: Speaker, epoch: number): Promise<number> {
  const begun = now();
  from.announce(many(THOUSAND, epoch));
  const all = (): boolean =>
    to.bindings.size === THOUSAND && [...to.bindings.values()].every(one => one === epoch);
  await poll(all, LIMIT, 'a thousand', 1);
  return now() - begun;
}

interface BarePair {
  travel(): Promise<number>;
  close(): void;
}

/** What OSPF by itself takes: a new LSA of the same length, from one program to the other. */
async function barePair(row: Row): Promise<BarePair> {
  let heard = 0;
  const open = (at: 'a' | 'b'): Flood =>
    new Flood({
      ...{ clock: createClock(), random: createRandom(), net: netIn(row[at]), log: () => {}, openVty },
      config: { port: 2607, opaqueType: BARE, sockets: row.frr[at].directory },
      ...{ speaks: at === 'a', count: () => {}, onUp: () => {}, onDown: () => {}, onReach: () => {} },
      onMessage() {
        heard = now();
        return undefined;
      },
    });
  const [from, to] = [open('a'), open('b')];
  await poll(() => from.up && to.up, LIMIT, 'the API');
  const data = new Uint8Array(320);
  return {
    async travel() {
      await pause(APART);
      const begun = now();
      from.put(data);
      await poll(() => heard > begun, LIMIT, 'the LSA', 0);
      return heard - begun;
    },
    close() {
      for (const flood of [from, to]) flood.close();
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));
