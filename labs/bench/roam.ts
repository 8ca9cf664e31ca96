/**
 * Roaming, on the reference network of containerlab.yml: a server is carried between cells a and b, gets an address by DHCP each time, and
 * keeps its VIP. Each figure has its floor beside it, measured alone in the same lab. A client at headquarters sends by UDP and holds a
 * TCP stream all the time.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensurePki } from '../pki.ts';
import { type Cell, cableOf } from '../roaming/cables.ts';
import { Observers } from '../roaming/journey.ts';
import { Monitor, wallClock } from '../roaming/monitor.ts';
import { Storm, type StormResult } from '../roaming/storm.ts';
import { Lab } from '../runner/lab.ts';
import { poll } from '../scenario/poll.ts';
import { Flows, type FlowsState, Stream } from '../scenarios/clients.ts';
import { answers, vipOf } from '../scenarios/managers.ts';
import { fullNeighbors, routersOf, wantedNeighbors } from '../scenarios/ospf.ts';
import { parseTopology } from '../topology/parse.ts';
import { dnsMoves } from './dns-move.ts';
import { type Figure, sample } from './figure.ts';
import { keepalivedMoves } from './keepalived.ts';
import { dhcpAlone, frrAlone, handshakeAlone, multicastAlone } from './roam-floors.ts';
import { bundles } from './role.ts';

const SERVER = 'm-web';
/** Between two roams, ms: what is under way after one has ended. */
const REST = 700;

/** Measures; needs root. */
export async function roamFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const apps = join(bundles, 'apps');
  const lab = await bring();
  try {
    const dhcp = await dhcpAlone(lab, runs);
    const frr = await frrAlone(lab, runs);
    const handshakes = await handshakeAlone(lab, apps, runs);
    const multicast = await multicastAlone(lab, apps, runs);
    const vip = await boot(lab);
    const tcp = await Flows.start(lab.node('hq-client2'), `${vip}:7`, 1, { interval: 5, size: 1000 });
    const roams = await roamByCable(lab, vip, runs);
    const stream = await tcp.stop();
    const overlaps = await roamByTwoCables(lab, vip, runs);
    const dns = await dnsMoves(lab, apps, runs);
    await lab.down();
    const raged = await storm();
    const plain = await keepalivedMoves(runs, 1);
    const eager = await keepalivedMoves(runs, 0.1);
    return [
      above(
        'link up in the new cell → VIP reachable from headquarters',
        roams.map(roam => roam.reachable - roam.link),
        'a DHCP exchange alone + one route change with FRR alone',
        dhcp.map((ms, run) => ms + frr.there[run]!),
        60,
      ),
      above(
        'DHCPACK seen → registered at the new manager',
        roams.map(roam => roam.registered - roam.ack),
        'TCP + TLS handshake alone',
        handshakes,
        15,
      ),
      above(
        'greater epoch told → route of the old cell gone from the next router',
        roams.map(roam => roam.withdrawn - roam.notice),
        'one multicast datagram + withdrawal with FRR alone',
        multicast.map((ms, run) => ms + frr.gone[run]!),
        10,
      ),
      under('longest gap of a 5 ms UDP stream, make before break', overlaps, 30),
      lossless(stream, runs),
      ...stormFigures(raged),
      {
        name: 'a server moves: time without an answer at headquarters',
        unit: 'ms',
        ours: sample(roams.map(roam => roam.gap)),
        beside: [
          { name: 'keepalived, a VIP in one shared subnet, advert_int 1', sample: sample(plain) },
          { name: 'keepalived, the same with advert_int 0.1', sample: sample(eager) },
          { name: 'a DNS update, TTL 1', sample: sample(dns) },
        ],
        goal: 'reported',
        met: true,
      },
    ];
  } finally {
    await lab.down();
  }
}

function above(
  name: string,
  ours: readonly number[],
  floor: string,
  alone: readonly number[],
  limit: number,
): Figure {
  const [mine, beneath] = [sample(ours), sample(alone)];
  return {
    name,
    unit: 'ms',
    ours: mine,
    beside: [{ name: floor, sample: beneath }],
    goal: `at most ${limit} ms above its floor`,
    met: mine.median - beneath.median <= limit,
  };
}

const under = (name: string, numbers: readonly number[], limit: number): Figure => {
  const ours = sample(numbers);
  return { name, unit: 'ms', ours, beside: [], goal: `under ${limit} ms`, met: ours.median < limit };
};

function lossless({ alive, sent, returned, wrong, bytes, longestGap }: FlowsState, roams: number): Figure {
  const one = (value: number): Figure['ours'] => sample([value]);
  return {
    name: `one TCP stream in direct mode across ${roams} roams: lines of 1,000 bytes lost or wrong`,
    unit: 'lines',
    ours: one(sent - returned + wrong),
    beside: [
      { name: 'carried there and back', sample: one(bytes), unit: 'bytes' },
      { name: 'connections that were not reset', sample: one(alive), unit: 'of 1' },
      { name: 'longest gap', sample: one(longestGap), unit: 'ms' },
    ],
    goal: 'none, and not reset',
    met: alive === 1 && sent === returned && wrong === 0,
  };
}

/** Sixty servers for two minutes, in a lab of their own. */
async function storm(): Promise<StormResult> {
  const lab = await bring();
  try {
    const gathered = await Storm.gather(lab, 60);
    const result = await gathered.rage(120_000);
    await gathered.stop();
    return result;
  } finally {
    await lab.down();
  }
}

function stormFigures({ vips, wrong, roams }: StormResult): Figure[] {
  const one = (value: number): Figure['ours'] => sample([value]);
  const [none, many] = [
    sample(vips.map(({ longestNone }) => longestNone)),
    sample(vips.map(({ longestMany }) => longestMany)),
  ];
  return [
    {
      name: 'roam-storm: VIPs with two owners or none after it settles',
      unit: 'VIPs',
      ours: one(wrong.length),
      beside: [
        { name: 'VIPs', sample: one(vips.length), unit: '' },
        { name: 'roams in two minutes', sample: one(roams), unit: '' },
      ],
      goal: wrong.length === 0 ? 'none' : `none, but ${wrong.join('; ')}`,
      met: wrong.length === 0,
    },
    {
      name: 'roam-storm: longest time of each VIP with two owners',
      unit: 'ms',
      ours: many,
      beside: [{ name: 'with none', sample: none }],
      goal: 'the longest of all, either way, under 1 s',
      met: many.max < 1000 && none.max < 1000,
    },
  ];
}

/** The reference network; its servers are not booted. */
async function bring(): Promise<Lab> {
  const root = dirname(bundles);
  const file = join(root, 'containerlab.yml');
  const topology = parseTopology(file, readFileSync(file, 'utf8'));
  await ensurePki(root, topology);
  const lab = await Lab.up(topology, {
    id: `bench-${process.pid}`,
    root,
    hold: node => ['server', 'mobile'].includes(node.group),
  });
  try {
    for (const name of routersOf(topology))
      await poll(
        `all neighbours of ${name} are full`,
        async () => (await fullNeighbors(lab.node(name))) === wantedNeighbors(topology, name),
        { timeout: 30_000 },
      );
    for (const cell of ['a', 'b', 'c']) await answers(lab.node(`${cell}-appliance`));
    return lab;
  } catch (error) {
    await lab.down();
    throw error;
  }
}

/** Gives the VIP of the server, in cell a. */
async function boot(lab: Lab): Promise<string> {
  await lab.node(SERVER).boot();
  return vipOf(lab.node('a-appliance'), 'www.m.bivouac.test', 1);
}

interface Measured {
  /** Wall clock, ms. */
  readonly link: number;
  readonly ack: number;
  readonly registered: number;
  readonly notice: number;
  readonly withdrawn: number;
  readonly reachable: number;
  /** Without an answer, ms. */
  readonly gap: number;
}

/** The router next to a cell, which sees its route go. */
const NEXT: Readonly<Record<'a' | 'b', string>> = { a: 'core1', b: 'core2' };

async function roamByCable(lab: Lab, vip: string, runs: number): Promise<Measured[]> {
  const observers = await Observers.start(lab, SERVER, ['a', 'b']);
  const routes = {
    a: await Monitor.ofKernel(lab.node(NEXT.a), 'route'),
    b: await Monitor.ofKernel(lab.node(NEXT.b), 'route'),
  };
  const cable = cableOf(lab, SERVER);
  const stream = await Stream.start(lab.node('hq-client1'), `${vip}:7`, { via: 'udp', interval: 1, gaps: 8 });
  // Both core routers have the cell on eth3: what leads elsewhere, or nowhere, is no route to it.
  const away = new RegExp(`^(Deleted )?${vip} (?!.*dev eth3)|^Deleted ${vip} `);
  const measured: Measured[] = [];
  for (let run = 0; run < runs; run++) {
    const [from, to] = run % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const);
    const since = wallClock();
    await cable.plug(to);
    const roam = await observers.roam(vip, from, to, since);
    const gap = await poll('an answer at headquarters', () =>
      stream.gaps.findLast(({ ms, ended }) => ended > roam.link && ended - ms < roam.link),
    );
    const withdrawn = await routes[from].until(`the route to cell ${from} is gone`, away, since);
    measured.push({ ...roam, withdrawn: withdrawn.at, reachable: gap.ended, gap: gap.ms });
    await new Promise(resolve => setTimeout(resolve, REST));
  }
  await Promise.all([stream.stop(), observers.stop(), routes.a.stop(), routes.b.stop()]);
  return measured;
}

/** Each time the other one of the server's two cables is plugged into the other cell, and then the first one out. Gaps in ms. */
async function roamByTwoCables(lab: Lab, vip: string, runs: number): Promise<number[]> {
  const server = lab.node(SERVER);
  const observers = await Observers.start(lab, SERVER, ['a', 'b']);
  const gaps: number[] = [];
  let from: 'a' | 'b' = runs % 2 === 0 ? 'a' : 'b';
  let port = 'eth1';
  for (let run = 0; run < runs; run++) {
    const to = from === 'a' ? 'b' : 'a';
    const next = port === 'eth1' ? 'eth2' : 'eth1';
    const stream = await Stream.start(lab.node('hq-client1'), `${vip}:7`, { via: 'udp' });
    const since = wallClock();
    await cableOf(lab, SERVER, next).plug(to);
    await handOver(lab, next, to);
    await observers.roam(vip, from, to, since);
    await new Promise(resolve => setTimeout(resolve, REST));
    await cableOf(lab, SERVER, port).unplug();
    await server.must(['ip', 'route', 'del', 'default', 'metric', '10']);
    await new Promise(resolve => setTimeout(resolve, REST));
    gaps.push((await stream.stop()).longestGap.ms);
    [from, port] = [to, next];
  }
  await observers.stop();
  return gaps;
}

/** Makes the new way the better one, as somebody with two radios would. */
async function handOver(lab: Lab, port: string, to: Cell): Promise<void> {
  const server = lab.node(SERVER);
  const gateway = `10.${'abc'.indexOf(to) + 1}.0.1`;
  await poll(`an address of cell ${to}`, async () => {
    const text = await server.must(['ip', '-4', 'route', 'show', 'default', 'dev', port]);
    return text.includes(gateway);
  });
  await server.must(['ip', 'route', 'add', 'default', 'via', gateway, 'dev', port, 'metric', '10']);
}
