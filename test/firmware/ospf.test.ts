/**
 * Two boxes and a router of the host's, all of them OSPF neighbours in a row; a server registers with the first box, which balances it by
 * IPVS; a client behind the router reaches it, and the second box knows the way.
 *
 *     server 10.1.0.11 ── lan  box a  wan ── 10.200.1.1 core 10.200.2.1 ── wan  box b
 *                                                 │
 *                                          client 10.9.0.2
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Box } from '../support/box.ts';
import { newestOrMade } from '../support/box-images.ts';
import { answers, Server } from '../support/daemon.ts';
import { startFrr } from '../support/frr.ts';
import { type Namespace, Network, poll } from '../support/netns.ts';

const { image } = await newestOrMade('x86_64-uefi');
/** FRR's user must get into it. */
const files = mkdtempSync(join(tmpdir(), 'bvo-'));
chmodSync(files, 0o755);
const network = new Network();
const taps = ['a-wan', 'a-lan', 'b-wan'].map(name => `bv${process.pid % 10_000}${name}`);
const [aWan, aLan, bWan] = taps as [string, string, string];
const tap = (name: string): string => `tap,ifname=${name},script=no,downscript=no`;

const WEB = {
  name: 'www.mission',
  protocol: 'http',
  ports: 80,
  check: { kind: 'tcp', interval: 2000, timeout: 1500 },
};

/** The first port is for the test to log in; it is on the lan, where there are several. */
const configuration = (number: number) => ({
  name: `cell-${number}`,
  plain: true,
  access: ['lan'],
  pools: [`10.255.${number}.0/24`],
  dataplane: { driver: 'ipvs' },
  // An emulator on a busy machine is away for longer than a server may be.
  sessions: { heartbeat: 3000 },
  routing: { interfaces: ['wan'], hello: 1 },
  box: {
    wan: '52:54:00:00:00:02',
    links: {
      wan: { addresses: [`10.200.${number}.2/24`] },
      lan: { addresses: [`10.${number}.0.1/24`, '10.0.2.15/24'] },
    },
  },
});
const a = new Box({ image, configuration: configuration(1), networks: [tap(aWan), tap(aLan)] });
const b = new Box({ image, configuration: configuration(2), networks: [tap(bWan)] });

afterAll(async () => {
  await Promise.all([a.dispose(), b.dispose()]);
  await network.dispose();
  rmSync(files, { recursive: true });
  for (const name of taps)
    try {
      execFileSync('ip', ['link', 'delete', name], { stdio: 'pipe' });
    } catch {
      // It went with its namespace.
    }
});

/** Puts the host's end of a box's port into a namespace, once QEMU has it. */
async function plug(name: string, into: Namespace, address: string): Promise<void> {
  await poll(
    () => Number(readFileSync(`/sys/class/net/${name}/flags`, 'utf8')) > 0 && carried(name),
    60_000,
    `QEMU has ${name}`,
  );
  execFileSync('ip', ['link', 'set', name, 'netns', into.name]);
  into.ipBatch([`addr add ${address} dev ${name}`, `link set ${name} up`]);
}

/** A tap has a carrier once somebody has opened it, and it is up. */
function carried(name: string): boolean {
  execFileSync('ip', ['link', 'set', name, 'up']);
  return readFileSync(`/sys/class/net/${name}/carrier`, 'utf8').trim() === '1';
}

test('a server behind one box is balanced by IPVS, and routed to a client and to the other box', async () => {
  for (const name of taps) execFileSync('ip', ['tuntap', 'add', name, 'mode', 'tap']);
  const [core, client, server] = [
    network.namespace('core'),
    network.namespace('client'),
    network.namespace('server'),
  ];
  await Promise.all([a.start(), b.start()]);
  await plug(aWan, core, '10.200.1.1/24');
  await plug(bWan, core, '10.200.2.1/24');
  await plug(aLan, server, '10.1.0.11/24');
  server.ip('route add default via 10.1.0.1');
  network.veth(
    { in: client, name: 'eth0', addresses: ['10.9.0.2/24'] },
    { in: core, name: 'hq', addresses: ['10.9.0.1/24'] },
  );
  client.ip('route add default via 10.9.0.1');
  core.sysctl({ 'net.ipv4.ip_forward': 1 });
  const link = (name: string): string =>
    `interface ${name}\n ip ospf area 0\n ip ospf network point-to-point\n ip ospf hello-interval 1\n ip ospf dead-interval 4\n`;
  const config = `${link(aWan)}${link(bWan)}interface hq\n ip ospf area 0\n ip ospf passive\nrouter ospf\n ospf router-id 10.200.0.1\n`;
  const frr = await startFrr({
    namespace: core.name,
    directory: join(files, 'frr'),
    config,
    daemons: ['ospfd'],
  });
  try {
    await Promise.all([a.judged(), b.judged()]);
    const neighbours = async (): Promise<number> =>
      (await frr.vty('ospfd', 'show ip ospf neighbor')).split('\n').filter(line => line.includes('Full'))
        .length;
    expect(
      await poll(async () => (await neighbours()) === 2, 120_000, 'both boxes are neighbours', 500),
    ).toBe(true);

    const web = new Server(server, { manager: '10.1.0.1', services: [WEB] });
    const vip = await web.up(180_000);
    expect((await a.run('ipvsadm -Ln')).stdout).toContain(`${vip}:80`);
    expect(await poll(() => core.ip(`route show ${vip}`).includes(aWan), 60_000, 'the VIP is routed')).toBe(
      true,
    );
    expect(await answers(client, vip, 5)).toEqual({ web1: 5 });
    expect(await b.until(`ip route get ${vip}`, /via 10\.200\.2\.1 /)).toContain('10.200.2.1');

    const { stdout } = await a.run('bivouac box screen');
    expect(stdout).toMatch(/servers 1, services 1, up 1/);
    expect(stdout).toMatch(/OSPF neighbour 10\.200\.0\.1 Full/);
    await web.process.stop('SIGKILL');
    expect(await poll(() => !core.ip(`route show ${vip}`).includes(aWan), 60_000, 'its route goes')).toBe(
      true,
    );
  } finally {
    await frr.stop();
  }
}, 1_800_000);
