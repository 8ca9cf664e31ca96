/**
 * DHCP on a real link: real servers, real clients, and the manager's rooms that look at it. Each client must be given option 224, each
 * known host be invited, whichever server it is and wherever that runs.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type LongProcess, type Namespace, Network, poll } from '../support/netns.ts';
import type { WatchOptions } from './programs/dhcp-watch.ts';

const root = resolve(import.meta.dirname, '../..');
const built = join(root, `node_modules/.cache/bivouac-dhcp-${process.pid}`);
const program = join(built, 'watch.mjs');
const MAC = '02:00:00:00:01:01';
/** Some clients keep files by the name of the interface, whatever the namespace. */
const WIRE = `w${process.pid % 1_000_000}`;
const OWN = '10.1.0.1:9746';
/** What the servers of others are configured to tell. */
const MANAGERS = '10.1.0.1:9746,10.3.0.1';

let work: string;
let network: Network;
let [appliance, host, other]: Namespace[] = [];
let lan: Namespace;

beforeAll(async () => {
  await build({
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    entryPoints: [join(root, 'test/netns/programs/dhcp-watch.ts')],
    outfile: program,
  });
});
afterAll(() => rmSync(built, { recursive: true, force: true }));

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'bivouac-dhcp-'));
  network = new Network();
  appliance = network.namespace('appliance');
  host = network.namespace('host');
  other = network.namespace('other');
  lan = network.lan(
    'lan',
    { in: appliance, name: 'lan0', addresses: ['10.1.0.1/24'] },
    { in: host, name: WIRE, mac: MAC },
    { in: other, name: 'eth0', addresses: ['10.1.0.2/24'] },
  );
});
afterEach(async () => {
  await network.dispose();
  rmSync(work, { recursive: true, force: true });
  for (const path of [`/var/lib/dhcpcd/${WIRE}.lease`, `/run/dhcpcd/${WIRE}.pid`])
    rmSync(path, { force: true });
});

function file(name: string, text: string, mode = 0o644): string {
  const path = join(work, name);
  writeFileSync(path, text, { mode });
  return path;
}

interface Sight {
  readonly state: string;
  readonly at?: string;
  readonly name: string;
  readonly relay?: string;
  readonly hint: string;
  readonly hardware: string;
}

/** The manager's rooms, and what they have said so far. */
async function watch(options: Partial<WatchOptions> = {}) {
  const all: WatchOptions = {
    access: ['lan0'],
    own: '10.1.0.1',
    known: '01020000000101',
    directory: join(work, 'dhcp'),
    cells: [],
    ...options,
  };
  const running = appliance!.spawn(process.execPath, [program, JSON.stringify(all)]);
  const lines = (): Record<string, unknown>[] =>
    running
      .stdout()
      .split('\n')
      .filter(line => line.startsWith('{') && line.endsWith('}'))
      .map(line => JSON.parse(line));
  const sights = (): readonly Sight[] => lines().flatMap(line => (line['hosts'] as Sight[]) ?? []);
  await poll(() => lines().some(line => 'hosts' in line), 30_000, 'the rooms are open').catch(error => {
    throw new Error(`${error.message}\n${running.stdout()}\n${running.stderr()}`);
  });
  return { ...running, lines, sights, states: () => [...new Set(sights().map(sight => sight.state))] };
}

/** Counts the invitations that reach the host, at whatever address. They come for two seconds: it must listen before. */
async function guest(): Promise<{ readonly count: () => number }> {
  const listener = host!.node(
    "require('dgram').createSocket('udp4').on('message', m => console.log('invited ' + m.toString('hex'))).bind(9747, () => console.log('ready'))",
  );
  await poll(() => listener.stdout().includes('ready'), undefined, 'the host listens');
  return { count: () => listener.stdout().split('invited 42560126').length - 1 };
}

type Server = (where: Namespace) => LongProcess;
const servers: Record<string, Server> = {
  dnsmasq: where =>
    where.spawn('dnsmasq', [
      '-k',
      '-C',
      file(
        'dnsmasq.conf',
        [
          'port=0',
          'bind-dynamic',
          'interface=eth0',
          'no-ping',
          'dhcp-authoritative',
          'log-facility=-',
          'dhcp-range=10.1.0.100,10.1.0.150,2m',
          `dhcp-leasefile=${work}/leases`,
          `pid-file=${work}/pid`,
          `dhcp-option=224,"${MANAGERS}"`,
          '',
        ].join('\n'),
      ),
    ]),
  'isc-dhcp-server': where =>
    where.spawn('dhcpd', [
      '-4',
      '-f',
      '-d',
      '--no-pid',
      '-user',
      'root',
      '-group',
      'root',
      '-lf',
      file('dhcpd.leases', ''),
      '-cf',
      file(
        'dhcpd.conf',
        `authoritative; ping-check off;
option bivouac-managers code 224 = text;
subnet 10.1.0.0 netmask 255.255.255.0 {
  range 10.1.0.100 10.1.0.150;
  option bivouac-managers "${MANAGERS}";
}
`,
      ),
      'eth0',
    ]),
  kea: where =>
    where.spawn('env', [
      `KEA_LOCKFILE_DIR=${work}`,
      `KEA_PIDFILE_DIR=${work}`,
      'kea-dhcp4',
      '-c',
      file(
        'kea.json',
        JSON.stringify({
          Dhcp4: {
            'interfaces-config': { interfaces: ['eth0'] },
            'lease-database': { type: 'memfile', persist: false },
            'option-def': [{ name: 'bivouac-managers', code: 224, space: 'dhcp4', type: 'string' }],
            subnet4: [
              {
                subnet: '10.1.0.0/24',
                pools: [{ pool: '10.1.0.100-10.1.0.150' }],
                'option-data': [{ name: 'bivouac-managers', data: MANAGERS.replace(',', '\\,') }],
              },
            ],
          },
        }),
      ),
    ]),
};

interface Client {
  readonly process: LongProcess;
  /** Gives the lease back and ends. */
  readonly release: () => Promise<unknown>;
}

/** `hook`: takes the address, and writes what came as option 224 to `told`. */
const clients: Record<string, (told: string) => Client> = {
  dhclient(told) {
    const script = file(
      'dhclient-script',
      `#!/bin/sh
case "$reason" in
PREINIT) ip link set "$interface" up ;;
BOUND|REBOOT|RENEW) ip addr replace "$new_ip_address/24" dev "$interface"; echo "$new_bivouac_managers" > ${told} ;;
RELEASE|EXPIRE|STOP) ip addr flush dev "$interface" ;;
esac
`,
      0o755,
    );
    const conf = file(
      'dhclient.conf',
      'option bivouac-managers code 224 = text;\nsend host-name "web1";\nalso request bivouac-managers;\n',
    );
    const args = [
      '-sf',
      script,
      '-cf',
      conf,
      '-lf',
      join(work, 'dhclient.leases'),
      '-pf',
      join(work, 'dhclient.pid'),
    ];
    return {
      process: host!.spawn('dhclient', ['-d', ...args, WIRE]),
      release: () => host!.run('dhclient', ['-r', ...args, WIRE]),
    };
  },
  dhcpcd(told) {
    const script = file(
      'dhcpcd-hook',
      `#!/bin/sh\n[ -z "$new_bivouac_managers" ] || echo "$new_bivouac_managers" > ${told}\n`,
      0o755,
    );
    const conf = file(
      'dhcpcd.conf',
      `nodev\nipv4only\nnoipv4ll\nnoarp\nnodelay\nhostname web1\nclientid\ndefine 224 string bivouac_managers\noption bivouac_managers\nscript ${script}\nallowinterfaces ${WIRE}\n`,
    );
    const args = ['-f', conf];
    return {
      process: host!.spawn('dhcpcd', ['-B', ...args, WIRE]),
      release: () => host!.run('dhcpcd', ['-k', ...args, WIRE]),
    };
  },
  udhcpc(told) {
    const script = file(
      'udhcpc-script',
      `#!/bin/sh
case "$1" in
bound|renew) ip addr replace "$ip/24" dev "$interface"; echo "$opt224" > ${told} ;;
deconfig) ip addr flush dev "$interface" ;;
esac
`,
      0o755,
    );
    const process_ = host!.spawn('udhcpc', [
      '-f',
      '-R',
      '-i',
      WIRE,
      '-s',
      script,
      '-O',
      '224',
      '-x',
      'hostname:web1',
      '-t',
      '20',
      '-T',
      '1',
    ]);
    return { process: process_, release: () => process_.stop('SIGTERM') };
  },
};

/** What a client was told, as text: udhcpc gives hexadecimal. */
function told(path: string): string {
  const text = existsSync(path) ? readFileSync(path, 'utf8').trim().replaceAll('"', '') : '';
  return /^[0-9a-f]+$/.test(text) ? Buffer.from(text, 'hex').toString() : text;
}

const pairs = Object.keys(servers).flatMap(server =>
  Object.keys(clients).map(client => [server, client] as const),
);

test.each(pairs)("somebody else's %s and %s: the host is seen and invited", async (server, client) => {
  const rooms = await watch();
  const serving = servers[server]!(other!);
  const invited = await guest();
  const path = join(work, 'told');
  const started = clients[client]!(path);
  const words = (): string =>
    `${serving.stderr()}${serving.stdout()}\n${started.process.stderr()}${started.process.stdout()}\n${rooms.stdout()}`;
  try {
    await poll(() => told(path) === MANAGERS, 30_000, 'the client was given option 224');
    await poll(() => invited.count() > 0, 30_000, 'the host was invited');
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${words()}`);
  }
  const seen = await poll(
    () => rooms.sights().find(sight => sight.at !== undefined),
    30_000,
    'the host is seen with its address',
  );
  expect(seen).toMatchObject({
    name: 'web1',
    hardware: '01020000000101',
  });
});

const CELL = {
  interface: 'lan0',
  range: { first: '10.1.0.100', last: '10.1.0.150' },
  lease: 120,
  dns: [],
} as unknown as WatchOptions['cells'][number];

test.each(Object.keys(clients))('DHCP of our own and %s: from DISCOVER to RELEASE', async client => {
  const rooms = await watch({ cells: [CELL] });
  const invited = await guest();
  const path = join(work, 'told');
  const started = clients[client]!(path);
  await poll(() => told(path) === OWN, 30_000, 'the client was given option 224');
  await poll(() => invited.count() > 0, 30_000, 'the host was invited');
  await poll(() => rooms.states().includes('bound'), 30_000, 'the host is bound');
  await started.release();
  await poll(() => rooms.lines().some(line => line['hasten'] === 'dhcp-released'), 30_000, 'RELEASE hastens');
  expect(await rooms.stop()).toBe(0);
  expect(appliance!.runSync('ss', ['-Hunl', 'sport = :67'])).toBe('');
});

test('a client that comes from another cell is refused its address at once, and that is seen', async () => {
  const rooms = await watch({ cells: [CELL] });
  const path = join(work, 'told');
  const lease = `lease {\n  interface "${WIRE}";\n  fixed-address 10.9.0.7;\n  renew never;\n  rebind never;\n  expire never;\n}\n`;
  file('dhclient.leases', lease);
  clients['dhclient']!(path);
  await poll(() => told(path) === OWN, 30_000, 'it has an address of this cell');
  const refused = (): boolean =>
    rooms.sights().some(sight => sight.at === '10.9.0.7') &&
    rooms.lines().some(line => line['hasten'] === 'dhcp-refused');
  expect(await poll(refused, 30_000, 'it was seen to ask, and to be refused')).toBe(true);
});

test('a client that declines is seen', async () => {
  const rooms = await watch({ cells: [CELL] });
  lan.ip('link set br0 up');
  // Busybox looks by ARP whether the address is free, and somebody says that it is not.
  other!.ipBatch(Array.from({ length: 51 }, (_, index) => `addr add 10.1.0.${100 + index}/32 dev lo`));
  const script = file('script', '#!/bin/sh\n', 0o755);
  const client = host!.spawn('udhcpc', ['-f', '-a', '-i', WIRE, '-s', script]);
  await poll(() => rooms.lines().some(line => line['hasten'] === 'dhcp-declined'), 30_000, 'DECLINE').catch(
    error => {
      throw new Error(`${error.message}\n${client.stderr()}\n${rooms.stdout()}`);
    },
  );
  expect(await poll(() => rooms.states().includes('declined'), 30_000, 'the host has declined')).toBe(true);
});

test('a host behind a relay is seen with its relay, and invited by way of the kernel', async () => {
  const [far, relay] = [network.namespace('far'), other!];
  network.veth({ in: far, name: WIRE, mac: MAC }, { in: relay, name: 'far0', addresses: ['10.7.0.1/24'] });
  relay.sysctl({ 'net.ipv4.ip_forward': 1 });
  appliance!.ip('route add 10.7.0.0/24 via 10.1.0.2');
  const rooms = await watch();
  const dhcpd = file(
    'dhcpd.conf',
    `authoritative; ping-check off;
subnet 10.1.0.0 netmask 255.255.255.0 {}
subnet 10.7.0.0 netmask 255.255.255.0 { range 10.7.0.100 10.7.0.110; option routers 10.7.0.1; }
`,
  );
  appliance!.spawn('dhcpd', [
    '-4',
    '-f',
    '-d',
    '--no-pid',
    '-user',
    'root',
    '-group',
    'root',
    '-lf',
    file('leases', ''),
    '-cf',
    dhcpd,
    'lan0',
  ]);
  relay.spawn('dnsmasq', [
    '-k',
    '-C',
    file(
      'relay.conf',
      `port=0\nbind-dynamic\nexcept-interface=lo\nlog-facility=-\npid-file=${work}/relay.pid\ndhcp-leasefile=${work}/relay.leases\ndhcp-relay=10.7.0.1,10.1.0.1\n`,
    ),
  ]);
  const script = file('script', '#!/bin/sh\n', 0o755);
  const client = far.spawn('udhcpc', ['-f', '-i', WIRE, '-s', script, '-t', '20', '-T', '1']);
  await poll(() => rooms.lines().some(line => line['routed'] === true), 30_000, 'invited').catch(error => {
    throw new Error(`${error.message}\n${client.stderr()}\n${rooms.stdout()}`);
  });
  const bound = await poll(
    () => rooms.sights().find(sight => sight.state === 'bound'),
    30_000,
    'the host is bound',
  );
  expect(bound).toMatchObject({
    relay: '10.7.0.1',
    hardware: '01020000000101',
  });
});

test('dnsmasq is started again when somebody ends it, and what a crashed manager left is taken over', async () => {
  const rooms = await watch({ cells: [CELL] });
  const pid = (): number =>
    Number(
      existsSync(join(work, 'dhcp/dnsmasq.pid')) && readFileSync(join(work, 'dhcp/dnsmasq.pid'), 'utf8'),
    );
  const first = await poll(pid, 30_000, 'it runs');
  process.kill(first, 'SIGKILL');
  const second = await poll(() => pid() !== first && pid(), 30_000, 'it runs again');
  await rooms.stop('SIGKILL');
  expect(existsSync(`/proc/${second}`)).toBe(true);
  await watch({ cells: [CELL] });
  await poll(() => pid() !== second && pid(), 30_000, 'a new one runs');
  // Where nobody waits for orphans it stays as a zombie, without a command line.
  const left = `/proc/${second}/cmdline`;
  expect(existsSync(left) ? readFileSync(left, 'utf8') : '').toBe('');
});
