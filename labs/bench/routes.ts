/**
 * Routes: from a check that passes (a server that goes) to the VIP's route in the kernel of a router two OSPF hops away, beside FRR alone
 * that is given the same routes by one long-lived `ip -batch`. Each has a row of three routers of its own, with the same configuration
 * and the same timers; they take turns. Beneath the thousand at once stands the floor (route-floor.ts): what no manager on Node can
 * leave out for the same reports.
 *
 * Ours counts from the moment when the check's answer leaves the server, or its connection ends, or its report leaves; the peer
 * from the moment when ip(8) is told. Both end when `ip monitor` in the far router shows the route.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linesOf } from '../../appliance/routing/kernel-form.ts';
import type { ServiceOptions } from '../../sdk/index.ts';
import { address } from '../../sdk/wire/address.ts';
import { type Namespace, Network } from '../../test/support/netns.ts';
import { type Row, threeRouters } from '../../test/support/routing.ts';
import { poll } from '../scenario/poll.ts';
import { now } from './clock.ts';
import { type Figure, ratios, sample } from './figure.ts';
import { REGISTRATION_PORT, startManager } from './manager.ts';
import { bundles, Role } from './role.ts';
import type { ServerOptions } from './roles/server.ts';
import type { RouteFloorOptions } from './route-floor.ts';
import { RouteWatch } from './route-watch.ts';

/** The second VIP comes so long after the first, ms. */
const APART = 300;
const SINGLES = ['10.50.0.1', '10.50.0.2'] as const;
/** Of the thousand, and as many as a server may have with leases of their own. */
const SERVERS = 10;
const EACH = 1000 / SERVERS;
const MANAGER = `10.1.0.1:${REGISTRATION_PORT}`;
const MANY = Array.from({ length: 1000 }, (_, index) => `10.50.${4 + (index >> 8)}.${index & 255}`);

/** Something that brings the thousand in and out: gives the moment when it was told to. */
interface Many {
  readonly watch: RouteWatch;
  manyIn(): Promise<number>;
  manyOut(): Promise<number>;
}

/** The same for the single ones, too. */
interface Side extends Many {
  in(which: number): Promise<number>;
  out(which: number): Promise<number>;
}

interface Times {
  readonly first: number[];
  readonly second: number[];
  readonly gone: number[];
  readonly many: number[];
  readonly manyGone: number[];
}

/** Measures; needs root. */
export async function routeFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const network = new Network();
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-routes-'));
  const rows: Row[] = [];
  try {
    for (let count = 0; count < 4; count++)
      rows.push(
        await threeRouters({
          extra: { a: 'router ospf\n redistribute kernel metric-type 1\n redistribute connected\nexit\n' },
        }),
      );
    const home = (): string => mkdtempSync(join(directory, 'manager-'));
    const ours = await managed(network, rows[0]!, home(), 'nftables');
    const peer = bare(network, rows[1]!);
    const routesOnly = await managed(network, rows[2]!, home(), 'none');
    const least = await floor(network, rows[3]!);
    for (const { c } of rows) {
      await poll(
        'OSPF has converged',
        () => c.namespace.ip('route show proto ospf').includes('10.9.1.0/24'),
        {
          timeout: 30_000,
        },
      );
    }
    const times: Times[] = [];
    for (const side of [ours, peer, routesOnly]) {
      times.push(newTimes());
      // Once for nothing: code that has not run yet is not compiled yet.
      await measure(side, newTimes());
    }
    times.push(newTimes());
    await measureMany(least, newTimes());
    for (let run = 0; run < runs; run++) {
      for (const [index, side] of [ours, peer, routesOnly].entries()) await measure(side, times[index]!);
      await measureMany(least, times[3]!);
    }
    return figuresOf(times[0]!, times[1]!, times[2]!, times[3]!);
  } finally {
    await network.dispose();
    for (const row of rows) await row.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}

const newTimes = (): Times => ({ first: [], second: [], gone: [], many: [], manyGone: [] });

async function measure(side: Side, times: Times): Promise<void> {
  const { watch } = side;
  const begun = await side.in(0);
  times.first.push((await watch.last([SINGLES[0]], true)) - begun);
  await pause(APART - (now() - begun));
  const second = await side.in(1);
  times.second.push((await watch.last([SINGLES[1]], true)) - second);
  for (const which of [0, 1]) {
    await pause(APART);
    const gone = await side.out(which);
    times.gone.push((await watch.last([SINGLES[which]!], false)) - gone);
  }
  await pause(APART);
  await measureMany(side, times);
}

async function measureMany(side: Many, times: Times): Promise<void> {
  const { watch } = side;
  const many = await side.manyIn();
  times.many.push((await watch.last(MANY, true)) - many);
  await pause(APART);
  const manyGone = await side.manyOut();
  times.manyGone.push((await watch.last(MANY, false)) - manyGone);
  await pause(APART);
}

function figuresOf(ours: Times, peer: Times, routesOnly: Times, least: Times): Figure[] {
  const row = (name: string, key: keyof Times): Omit<Figure, 'goal' | 'met'> => ({
    name,
    unit: 'ms',
    ours: sample(ours[key]),
    beside: [
      { name: 'FRR alone, by one ip -batch', sample: sample(peer[key]) },
      { name: 'the manager without a data plane', sample: sample(routesOnly[key]) },
    ],
    ratio: ratios(ours[key], peer[key]),
  });
  const above = (name: string, key: keyof Times): Figure => {
    return {
      ...row(name, key),
      goal: 'at most 5 ms above the peer',
      met: sample(ours[key]).median - sample(peer[key]).median <= 5,
    };
  };
  const times = (name: string, key: 'many' | 'manyGone'): Figure => {
    const whole = row(name, key);
    return {
      ...whole,
      beside: [
        ...whole.beside,
        { name: 'the floor: a bare Node program', sample: sample(least[key]) },
        { name: 'ours to the floor', sample: ratios(ours[key], least[key]), unit: '×' },
        { name: 'the floor to FRR alone', sample: ratios(least[key], peer[key]), unit: '×' },
      ],
      goal: '≤ 1.5 × the peer',
      met: ratios(ours[key], peer[key]).median <= 1.5,
    };
  };
  return [
    above('check passes → route two OSPF hops away', 'first'),
    above('the same for a second VIP 0.3 s later', 'second'),
    above('last server gone → route gone two hops away', 'gone'),
    times('1,000 VIPs at once, until the last is routed', 'many'),
    times('1,000 VIPs gone at once, until the last is gone', 'manyGone'),
  ];
}

/** A manager at the row's first router, and servers behind it. */
async function managed(
  network: Network,
  row: Row,
  directory: string,
  driver: 'nftables' | 'none',
): Promise<Side> {
  const servers = access(network, row);
  await startManager(network, row.a.namespace, directory, {
    access: ['lan'],
    dataplane: { driver },
    sessions: { servicesPerServer: 1000, leasesPerServer: 1000 },
    routing: { kind: 'external', sockets: row.a.frr.directory },
  });
  const checked = (vip: string, which: number): ServiceOptions => ({
    name: `s${which}.bench`,
    protocol: 'http',
    ports: 80,
    vip,
    check: { kind: 'http', port: 8080, target: `/${which}`, interval: 50, timeout: 50, fall: 2 },
  });
  const role = new Role(network, servers, 'server', {
    name: 'servers',
    health: 8080,
    registrations: [
      ...SINGLES.map((vip, which) => ({
        ...{ name: `single${which}`, manager: MANAGER, services: [checked(vip, which)] },
      })),
      ...manyServers(),
    ],
  } satisfies ServerOptions);
  const thousand = reports(role, SINGLES.length);
  const side: Side = {
    watch: new RouteWatch(network, row.c.namespace),
    async in(which) {
      return (await role.ask<{ at: number }>(`pass ${which}`, 'passed')).at;
    },
    async out(which) {
      role.tell(`fail ${which}`);
      const { mark } = role;
      const { at } = await role.ask<{ at: number }>(`cut ${which}`, 'cut');
      await role.until(
        'state',
        mark,
        said => said['registration'] === which && said['state'] === 'registered',
      );
      return at;
    },
    manyIn: () => thousand.report('up'),
    manyOut: () => thousand.report('down'),
  };
  await thousand.until(EACH, 0);
  // They came up by themselves; the first measurement wants them down.
  const { mark } = role;
  await thousand.report('down');
  await thousand.until(0, mark);
  return side;
}

/** The floor at the row's first router, and the same thousand behind it. */
async function floor(network: Network, row: Row): Promise<Many> {
  const servers = access(network, row);
  const options: RouteFloorOptions = {
    ...{ port: REGISTRATION_PORT, services: MANY.length, anycastPort: 9747 },
  };
  const bare = row.a.namespace.spawn(process.execPath, [
    join(bundles, 'bench-route-floor.mjs'),
    JSON.stringify(options),
  ]);
  const heard = (word: string): Promise<unknown> =>
    poll(`the floor is ${word}`, () => bare.stderr().includes(word), { timeout: 30_000 });
  await heard('ready');
  const role = new Role(network, servers, 'server', { name: 'servers', registrations: manyServers() });
  await heard('complete');
  const thousand = reports(role, 0);
  return {
    watch: new RouteWatch(network, row.c.namespace),
    manyIn: () => thousand.report('up'),
    manyOut: () => thousand.report('down'),
  };
}

/** The link of the row's first router to a namespace of servers, which it gives. */
function access(network: Network, row: Row): Namespace {
  const servers = network.namespace('servers');
  network.veth(
    { in: row.a.namespace, name: 'lan', addresses: ['10.1.0.1/24'] },
    { in: servers, name: 'eth0', addresses: ['10.1.0.2/24'] },
  );
  return servers;
}

const manyServers = (): NonNullable<ServerOptions['registrations']> =>
  Array.from({ length: SERVERS }, (_, number) => ({
    name: `many${number}`,
    manager: MANAGER,
    services: MANY.map((vip, index) => ({
      ...{ name: `many${index}.bench`, protocol: 'http', ports: 80, vip },
      check: { kind: 'none' as const },
    })).slice(number * EACH, (number + 1) * EACH),
  }));

/** The thousand of a role whose registrations begin with the `first`. */
function reports(role: Role, first: number) {
  const many = Array.from({ length: SERVERS }, (_, number) => first + number);
  return {
    /** Has all of them reported so; gives when. */
    report: async (state: 'up' | 'down'): Promise<number> =>
      (await role.ask<{ at: number }>(`report ${state} ${many.join(' ')}`, 'reported')).at,
    /** Waits until so many of each server are up, and it has been told so. */
    async until(count: number, since: number): Promise<void> {
      for (const which of many)
        await role.until(
          'up',
          since,
          said => said['registration'] === which && said['count'] === count,
          60_000,
        );
    },
  };
}

/** FRR alone: the same lines of ip(8) as the manager's, without one. */
function bare(network: Network, row: Row): Side {
  const ip = spawn('ip', ['-n', row.a.namespace.name, '-force', '-batch', '-'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  network.adopt(ip);
  const change = (type: 'add' | 'remove', vips: readonly string[]): Promise<number> => {
    const lines = vips.flatMap(vip => linesOf('external', { type, vip: address(vip), step: 0 }));
    const text = `${lines.join('\n')}\n`;
    const at = now();
    ip.stdin.write(text);
    return Promise.resolve(at);
  };
  return {
    watch: new RouteWatch(network, row.c.namespace),
    in: which => change('add', [SINGLES[which]!]),
    out: which => change('remove', [SINGLES[which]!]),
    manyIn: () => change('add', MANY),
    manyOut: () => change('remove', MANY),
  };
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, Math.max(0, ms)));
