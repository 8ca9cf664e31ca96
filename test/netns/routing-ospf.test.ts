/**
 * What the driver sets up of OSPF itself: authentication, BFD, IPv6, an FRR that is somebody else's, and a daemon that is killed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, expect, it } from 'vitest';
import type { OspfConfig, RoutingConfig } from '../../appliance/routing/config.ts';
import type { Frr } from '../../appliance/routing/frr.ts';
import type { Prefix } from '../../sdk/wire/address.ts';
import { poll } from '../support/netns.ts';
import {
  driverOn,
  learned,
  type Row,
  type RowOptions,
  routes,
  routingConfig,
  threeRouters,
  untilLearned,
} from '../support/routing.ts';
import type { RecordingLog } from '../support/virtual/log.ts';

const running: { row?: Row; drivers: Frr[] } = { drivers: [] };

afterEach(async () => {
  for (const driver of running.drivers.splice(0)) driver.detach();
  await running.row?.dispose();
});

async function managed(
  options: RowOptions,
  ospf: Partial<OspfConfig> | undefined,
  more: Partial<RoutingConfig> = {},
): Promise<{ row: Row; frr: Frr; log: RecordingLog; config: RoutingConfig }> {
  const row = await threeRouters(options);
  running.row = row;
  const { ospf: usual, ...rest } = routingConfig(row.a, 'external', more);
  const config = ospf === undefined ? rest : { ...rest, ospf: { ...usual!, ...ospf } };
  const made = driverOn(row.a, config);
  running.drivers.push(made.frr);
  return { row, config, ...made };
}

const MD5 = ' ip ospf authentication message-digest\n ip ospf message-digest-key 1 md5 Sesame.42\n';

it('authenticates OSPF, and keeps the key out of the log', async () => {
  const { row, frr, log } = await managed(
    { bare: ['a'], link: MD5 },
    { authentication: { keyId: 1, key: 'Sesame.42' } },
  );
  await frr.apply(routes(['10.50.0.1']));
  await untilLearned(row.c, '10.50.0.1', true, 30_000);
  expect(await row.a.frr.vty('ospfd', 'show ip ospf interface ab')).toContain('Cryptographic authentication');
  expect(log.of('frr-configured').length).toBeGreaterThan(0);
  expect(JSON.stringify(log.records)).not.toContain('Sesame');
});

it('is a neighbour on a broadcast network, and not its designated router', async () => {
  const { row, frr } = await managed(
    { bare: ['a'], link: ' ip ospf network broadcast\n' },
    { network: 'broadcast' },
  );
  await frr.apply(routes(['10.50.0.1']));
  // Who is the designated router is settled after the dead interval.
  await untilLearned(row.c, '10.50.0.1', true, 60_000);
  const said = await row.a.frr.vty('ospfd', 'show ip ospf interface ab');
  expect(said).toMatch(/State DROther, Priority 0/);
});

it('has no neighbour with another key', async () => {
  const { row, frr } = await managed(
    { bare: ['a'], link: MD5 },
    { authentication: { keyId: 1, key: 'other' } },
  );
  await frr.apply(routes(['10.50.0.1']));
  await untilLearned(row.c, '10.9.1.0/24', true, 30_000);
  await new Promise(resolve => setTimeout(resolve, 3_000));
  expect((await frr.status()).neighbours).toEqual([]);
  expect(learned(row.c)).not.toContain('10.50.0.1');
});

it('sees a link that dies silently within BFD’s time', async () => {
  const profile = 'bfd\n profile fast\n  transmit-interval 50\n  receive-interval 50\n exit\nexit\n';
  const { row, frr } = await managed(
    {
      bare: ['a'],
      daemons: ['bfdd', 'ospfd'],
      link: ' ip ospf bfd\n ip ospf bfd profile fast\n ip ospf hello-interval 5\n ip ospf dead-interval 20\n',
      extra: { b: profile, c: profile },
    },
    { bfd: { interval: 50, multiplier: 3 }, hello: 5 },
  );
  await frr.apply(routes(['10.50.0.1']));
  await untilLearned(row.c, '10.50.0.1', true, 60_000);
  await poll(async () => (await frr.status()).neighbours[0]?.bfd === 'up', 30_000, 'the BFD session is up');
  // Both ends stay up, but nothing passes any more: hellos alone would take 15 s at least.
  for (const [router, link] of [
    [row.a, 'ab'],
    [row.b, 'ba'],
  ] as const)
    router.namespace.runSync(
      'nft',
      ['-f', '-'],
      `table netdev cut {\n chain in {\n type filter hook ingress device ${link} priority 0; policy drop;\n }\n}\n`,
    );
  await untilLearned(row.c, '10.50.0.1', false, 12_000);
  expect((await frr.status()).neighbours.some(({ state }) => state === 'Full')).toBe(false);
});

it.each(['external', 'internal'] as const)('brings IPv6 VIPs out by OSPFv3, as %s routes', async kind => {
  const { row, frr } = await managed(
    { bare: ['a'], ipv6: true },
    {},
    { kind, prefixes: ['10.50.0.0/16', 'fd50::/64'] as unknown as Prefix[] },
  );
  const vips = ['10.50.0.1', 'fd50::1', 'fd50::2'];
  expect((await frr.apply(routes(vips))).problems).toEqual([]);
  await poll(() => learned(row.c, 6).includes('fd50::1'), 30_000, 'fd50::1 at C');
  await poll(() => learned(row.c, 6).includes('fd50::2'), 30_000, 'fd50::2 at C');
  await untilLearned(row.c, '10.50.0.1');
  // The router between may learn it later than C does, and A of C.
  const answers = async (): Promise<boolean> =>
    (await row.c.namespace.run('ping', ['-c1', '-W2', 'fd50::1'])).status === 0;
  expect(await poll(answers, undefined, 'an answer')).toBe(true);
  const { reached } = await frr.apply(routes(['10.50.0.1', 'fd50::2']));
  expect([...reached.keys()].sort()).toEqual(['10.50.0.1', 'fd50::2']);
  await poll(() => !learned(row.c, 6).includes('fd50::1'), 30_000, 'fd50::1 gone from C');
  expect(learned(row.c, 6)).toContain('fd50::2');
});

it('leaves the OSPF of somebody else’s FRR alone but for its timers, and says what that lacks', async () => {
  const { row, frr, log } = await managed({}, undefined);
  await poll(() => log.of('frr-ready').length >= 2, 30_000, 'the driver has reached FRR');
  await frr.apply(routes(['10.50.0.1']));
  expect((await frr.status()).problems.join()).toContain("add 'redistribute kernel metric-type 1'");
  // Its timers are right already in this network: nothing was changed.
  expect(log.of('frr-configured')).toEqual([]);
  expect(learned(row.c)).not.toContain('10.50.0.1');
});

it('keeps the VIPs of a daemon that is killed, and its successor goes on with them', async () => {
  const { row, frr, config } = await managed({ bare: ['a'] }, {});
  await untilLearned(row.c, '10.9.1.0/24', true, 30_000);
  frr.detach();
  const directory = mkdtempSync(join(tmpdir(), 'bvroute-'));
  try {
    const program = await bundle(directory, config);
    const first = row.a.namespace.spawn(process.execPath, [program, '10.50.0.1', '10.50.0.2']);
    await poll(() => first.stdout().includes('reached'), 30_000, 'the first program has its routes');
    await untilLearned(row.c, '10.50.0.2');
    await first.stop('SIGKILL');
    expect(learned(row.c)).toEqual(expect.arrayContaining(['10.50.0.1', '10.50.0.2']));
    const watch = row.c.namespace.spawn('ip', ['monitor', 'route']);
    const second = row.a.namespace.spawn(process.execPath, [program, '10.50.0.2', '10.50.0.3']);
    await poll(() => second.stdout().includes('reached 10.50.0.2,10.50.0.3'), 30_000, 'the second has them');
    await untilLearned(row.c, '10.50.0.3');
    await untilLearned(row.c, '10.50.0.1', false);
    // Nobody saw the VIP that both wanted move.
    await poll(() => watch.stdout().includes('10.50.0.3'), 30_000, 'the monitor has seen the new VIP');
    expect(watch.stdout()).not.toContain('10.50.0.2');
    await second.stop('SIGKILL');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

/** A program of the driver alone: takes its VIPs from the command line, says what it reached, and stays. */
async function bundle(directory: string, config: RoutingConfig): Promise<string> {
  const root = join(import.meta.dirname, '../..');
  const outfile = join(directory, 'program.mjs');
  const source = `
    import { createClock } from '${root}/appliance/host/clock.ts';
    import { createExec } from '${root}/appliance/host/exec.ts';
    import { openVty } from '${root}/appliance/host/vty.ts';
    import { Table } from '${root}/appliance/registry/table.ts';
    import { createFrr } from '${root}/appliance/routing/frr.ts';
    const frr = createFrr(${JSON.stringify(config)}, { exec: createExec(), clock: createClock(), log: () => {}, openVty });
    const { reached } = await frr.apply({ routes: Table.from(process.argv.slice(2).map(vip => [vip, 20])) });
    console.log('reached ' + [...reached.keys()].sort());
  `;
  await build({
    stdin: { contents: source, loader: 'ts', resolveDir: root },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'error',
  });
  return outfile;
}
