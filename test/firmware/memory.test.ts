/**
 * A box with 256 MiB of memory, and 100 services of ten servers that are checked each second: all of them stay up while an operator looks, and the
 * kernel has nothing to complain of. What each process takes is printed.
 *
 *     server 10.1.0.11 ── lan  box  wan ── QEMU's own network
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Box } from '../support/box.ts';
import { newestOrMade } from '../support/box-images.ts';
import { Network, poll } from '../support/netns.ts';

const MEMORY = 256;
const SESSIONS = 10;
const SERVICES = 10;
const SDK = resolve(import.meta.dirname, '../../sdk/dist/index.cjs');

const { image } = await newestOrMade('x86_64-uefi');
const network = new Network();
const tap = `bv${process.pid % 10_000}mem`;
const box = new Box({
  image,
  configuration: {
    name: 'small',
    plain: true,
    access: ['lan'],
    pools: ['10.255.1.0/24'],
    // An emulator on a busy machine is away for longer than a server may be.
    sessions: { heartbeat: 10_000 },
    dhcp: [{ interface: 'lan', range: '10.1.0.100-10.1.0.199' }],
    routing: { interfaces: ['wan'], hello: 1 },
    box: {
      wan: '52:54:00:00:00:01',
      links: { wan: { dhcp: true }, lan: { addresses: ['10.1.0.1/24'] } },
    },
  },
  networks: [`tap,ifname=${tap},script=no,downscript=no`],
  // The last word counts.
  words: ['-m', String(MEMORY)],
});

afterAll(async () => {
  await box.dispose();
  await network.dispose();
  try {
    execFileSync('ip', ['link', 'delete', tap], { stdio: 'pipe' });
  } catch {
    // It went with its namespace.
  }
});

/** Servers that listen on ports of their own and register them; tells how many services have the state `up`. */
const SERVERS = `
const [sdk, sessions, services] = process.argv.slice(1);
const { Registration } = require(sdk);
const net = require('net');
const up = new Set();
const say = () => console.log('up ' + up.size);
for (let session = 0; session < sessions; session++) {
  const list = Array.from({ length: Number(services) }, (_, at) => 8000 + session * services + at).map(port => {
    net.createServer(socket => socket.on('error', () => {}).end('here\\n')).listen(port);
    return { name: 's' + port + '.mission', protocol: 'http', ports: port, check: { kind: 'tcp', interval: 1000, timeout: 900, fall: 5 } };
  });
  const registration = new Registration({ name: 'server' + session, manager: '10.1.0.1', services: list });
  registration.on('service', ({ name, state }) => { up[state === 'up' ? 'add' : 'delete'](name); say(); });
  registration.on('refused', why => console.error('refused', JSON.stringify(why)));
  registration.start();
}
`;

/** kB of each process that has memory of its own, the largest first, and of what else takes some. */
const TABLE = `
for p in /proc/[0-9]*; do
  pss=$(sed -n 's/^Pss: *\\([0-9]*\\) kB/\\1/p' $p/smaps_rollup 2> /dev/null) && [ -n "$pss" ] && echo "$pss $(tr '\\0' ' ' < $p/cmdline | cut -c 1-60)"
done | sort -rn | head -20
free -k; swapon --show
grep -E '^(MemAvailable|AnonPages|Shmem|Slab|SUnreclaim|KernelStack|PageTables|VmallocUsed):' /proc/meminfo`;

/** What the kernel says when memory is short, or when it waited for some for too long. */
const COMPLAINTS =
  /out of memory|oom-kill|page allocation failure|blocked for more than|soft lockup|rcu.*stall/i;

test(`${SESSIONS * SERVICES} services in ${MEMORY} MiB`, async () => {
  execFileSync('ip', ['tuntap', 'add', tap, 'mode', 'tap']);
  execFileSync('ip', ['link', 'set', tap, 'up']);
  const servers = network.namespace('servers');
  await box.start();
  const carrier = (): boolean => readFileSync(`/sys/class/net/${tap}/carrier`, 'utf8').trim() === '1';
  await poll(carrier, 60_000, 'QEMU has the port');
  execFileSync('ip', ['link', 'set', tap, 'netns', servers.name]);
  servers.ipBatch([`addr add 10.1.0.11/24 dev ${tap}`, `link set ${tap} up`]);
  await box.judged();

  const running = servers.node(SERVERS, [SDK, String(SESSIONS), String(SERVICES)]);
  const all = (): boolean =>
    running
      .stdout()
      .trimEnd()
      .endsWith(`up ${SESSIONS * SERVICES}`);
  await poll(
    all,
    600_000,
    `all services are up: ${running.stdout().slice(-20)} ${running.stderr().slice(-500)}`,
    500,
  );
  // A minute of the guest's own, in which it checks each of them each second; and an operator who asks.
  const { stdout: table } = await box.run(`sleep 60; ${TABLE}`);
  console.log(table);
  const { stdout: shown } = await box.run('bivouac show services --json');
  const rows = JSON.parse(shown) as { readonly state: string }[];
  expect(rows).toHaveLength(SESSIONS * SERVICES);
  await poll(all, 60_000, 'all services are up still', 500);
  expect((await box.run('journalctl -k --no-pager')).stdout).not.toMatch(COMPLAINTS);
  expect((await box.run('systemctl show -p NRestarts --value bivouac.service frr.service')).stdout).toMatch(
    /^0\n+0\n$/,
  );
  expect(running.stderr()).toBe('');
});
