/**
 * What a box does at its first boots, on files of its own: a mission's bundle made by `bivouac pki bundle`, taken from its boot partition,
 * kept, refused when it is bad; and the saved clock.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readBundle } from '../../appliance/box/bundle.ts';
import { configure, type Effects, fingerprint } from '../../appliance/commands/box/configure.ts';
import { candidatesIn } from '../../appliance/commands/box/gather.ts';
import { type Paths, pathsBelow } from '../../appliance/commands/box/paths.ts';
import { pki } from '../../appliance/commands/pki.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl5 admin@hq';
const MISSION = {
  name: 'cell-a',
  access: ['lan'],
  pools: ['10.255.1.0/24'],
  dhcp: [{ interface: 'lan', range: '10.1.0.100-10.1.0.199' }],
  routing: { interfaces: ['wan'], password: 'secrets/ospf.key' },
  box: {
    wan: 'eth0',
    links: { wan: { dhcp: true }, lan: { addresses: ['10.1.0.1/24'] } },
    ssh: { keys: [KEY] },
  },
};

let root: string;
let paths: Paths;
let firewall: string;
let hostname: string;
let stick: string | undefined;

const effects: Effects = {
  firewall: text => {
    firewall = text;
  },
  hostname: name => {
    hostname = name;
  },
  usb: () => (stick === undefined ? [] : candidatesIn('usb', stick)),
  probe: async () => {},
};

const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bivouac-first-'));
  paths = pathsBelow(root);
  stick = undefined;
  for (const directory of [paths.run, paths.esp, paths.state]) mkdirSync(directory, { recursive: true });
  // Two ports of hardware, and one that is none.
  for (const [at, name] of ['eth0', 'eth1', 'docker0'].entries()) {
    put(`sys/class/net/${name}/type`, '1\n');
    put(`sys/class/net/${name}/address`, `52:54:00:00:00:0${at}\n`);
    put(`sys/class/net/${name}/carrier`, '1\n');
    put(`sys/class/net/${name}/ifindex`, `${at + 2}\n`);
    if (name !== 'docker0') mkdirSync(join(paths.nics, name, 'device'));
  }
});
afterEach(() => rmSync(root, { recursive: true }));

const quiet = { out: () => {}, err: () => {} };

/** Makes a mission by the commands that an operator uses; gives the bundle's path. */
async function bundle(mission: object = MISSION): Promise<string> {
  const ca = join(root, 'ca');
  put('plan/cell-a.json', JSON.stringify(mission));
  put('plan/secrets/ospf.key', 'hush-hush-12\n');
  const output = join(root, 'plan/mission.tar');
  if (!existsSync(ca)) {
    expect(await pki(['init', ca, '--mission', 'tryout'], quiet)).toBe(0);
    expect(await pki(['issue', ca, '--role', 'manager', '--name', 'cell-a'], quiet)).toBe(0);
  }
  const said: string[] = [];
  const words = [
    'bundle',
    ca,
    '--name',
    'cell-a',
    '--config',
    join(root, 'plan/cell-a.json'),
    '--output',
    output,
  ];
  const status = await pki(words, { out: () => {}, err: line => void said.push(line) });
  if (status !== 0) throw new Error(said.join(''));
  return output;
}

test('a bundle holds the configuration, the certificates, the keys, and nothing more, for its owner alone', async () => {
  const file = await bundle();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const files = readBundle(readFileSync(file));
  expect([...files.keys()].sort()).toEqual([
    'bivouac.json',
    'ca.pem',
    'cell-a.key',
    'cell-a.pem',
    'ospf.key',
  ]);
  expect(JSON.parse(files.get('bivouac.json')!)).toMatchObject({
    tls: { ca: 'ca.pem', certificate: 'cell-a.pem', key: 'cell-a.key' },
    routing: { password: 'ospf.key' },
  });
});

test('what a box would refuse is not made a bundle', async () => {
  await expect(bundle({ ...MISSION, pools: ['10.255.1.0/33'] })).rejects.toThrow(
    /\/pools\/0: '10.255.1.0\/33'/,
  );
  await expect(bundle({ ...MISSION, plain: true })).rejects.toThrow(/'plain' goes with no 'tls'/);
});

test('a box with a mission on its boot partition runs by it, keeps it, and goes on without the partition', async () => {
  const file = await bundle();
  put('efi/bivouac/mission.tar', readFileSync(file, 'utf8'));
  const { report, changed } = await configure(paths, effects);
  expect(report).toMatchObject({
    name: 'cell-a',
    place: 'esp',
    refused: [],
    tls: true,
    link: 'eth1',
    keys: [fingerprint(KEY)],
  });
  expect(report.ports).toMatchObject({ wan: 'eth0', lan: ['eth1'] });
  expect([...changed].sort()).toEqual(['manager', 'network']);
  expect(JSON.parse(text('run/bivouac/bivouac.json'))).toMatchObject({
    access: ['eth1'],
    routing: { interfaces: ['eth0'] },
  });
  expect(statSync(join(paths.run, 'cell-a.key')).mode & 0o777).toBe(0o600);
  expect(hostname).toBe('cell-a');
  expect(firewall).toContain('tcp dport 9746 accept');
  expect(text('run/bivouac/ssh/root')).toBe(`${KEY}\n`);
  expect(readdirSync(paths.network)).toEqual(['30-eth0.network', '30-eth1.network']);

  rmSync(join(paths.esp, 'bivouac'), { recursive: true });
  const again = await configure(paths, effects);
  expect(again.report).toMatchObject({ name: 'cell-a', place: 'kept' });
  expect([...again.changed]).toEqual([]);
});

test('a stick with another mission goes before what was kept; a bad one is refused, loudly', async () => {
  put('efi/bivouac/mission.tar', readFileSync(await bundle(), 'utf8'));
  await configure(paths, effects);
  stick = join(root, 'stick');
  put('stick/mission.tar', readFileSync(await bundle({ ...MISSION, pools: ['10.255.2.0/24'] }), 'utf8'));
  expect((await configure(paths, effects)).report).toMatchObject({ place: 'usb', refused: [] });
  expect(text('run/bivouac/bivouac.json')).toContain('10.255.2.0/24');
  rmSync(join(paths.esp, 'bivouac'), { recursive: true });
  // Of another mission: its key is not this certificate's.
  const whole = readFileSync(join(stick, 'mission.tar'), 'utf8');
  const key = text('ca/cell-a.key');
  const other = execFileSync('openssl', ['genpkey', '-algorithm', 'ED25519'], { encoding: 'utf8' });
  put('stick/mission.tar', whole.replace(key, other));
  const { report } = await configure(paths, effects);
  expect(report).toMatchObject({
    name: 'cell-a',
    place: 'kept',
    refused: [expect.stringContaining('tls.key: it is not the key')],
  });
  put('stick/mission.tar', whole.slice(0, 700));
  expect((await configure(paths, effects)).report.refused).toEqual([
    expect.stringContaining('not an archive of ours'),
  ]);
  expect(text('run/bivouac/bivouac.json')).toContain('10.255.2.0/24');
});

test('a lone bivouac.json will do', async () => {
  put('efi/bivouac.json', JSON.stringify({ ...MISSION, plain: true, routing: {} }));
  expect((await configure(paths, effects)).report).toMatchObject({ place: 'esp', tls: false });
});

test('a box with nothing at all runs by its defaults, closed to SSH until a key is taken at the console', async () => {
  const { report } = await configure(paths, effects);
  expect(report).toMatchObject({ place: 'defaults', name: 'bivouac-000000', keys: [] });
  expect(existsSync(join(paths.run, 'ssh/root'))).toBe(false);
  expect(firewall).not.toContain('SSH');
  expect(existsSync(join(paths.run, 'defaults'))).toBe(true);
  put('var/lib/bivouac/box/authorized_keys', `${KEY}\n`);
  expect((await configure(paths, effects)).report.keys).toEqual([fingerprint(KEY)]);
  expect(firewall).toContain('tcp dport 22 accept comment "SSH"');
});

test('the port that has a lease is the WAN, and stays it', async () => {
  put(
    'run/systemd/netif/leases/3',
    '# This is private data. Do not parse.\nADDRESS=10.254.9.7\nNETMASK=255.255.255.0\n',
  );
  const { report } = await configure(paths, effects);
  expect(report.ports).toMatchObject({ wan: 'eth1', lan: ['eth0'], sure: true });
  expect(text('run/systemd/network/30-eth1.network')).toContain('DHCP=ipv4');
  // Its own network is not the WAN's, and it is the same at the next look.
  const lan = text('run/systemd/network/30-eth0.network');
  expect(lan).toMatch(/Address=(?!10\.254\.9\.)/);
  rmSync(join(root, 'run/systemd/netif/leases/3'));
  expect((await configure(paths, effects)).report.ports).toMatchObject({
    wan: 'eth1',
    reason: 'it was found to be before',
  });
});

test('a neighbour that was heard is in the defaults of the same start', async () => {
  put(
    'run/bivouac/ospf-hello.json',
    JSON.stringify({
      router: '10.0.0.1',
      area: '0.0.0.3',
      hello: 10,
      dead: 40,
      authenticated: false,
      broadcast: false,
    }),
  );
  await configure(paths, effects);
  expect(JSON.parse(text('run/bivouac/bivouac.json')).routing).toEqual({
    interfaces: ['eth0'],
    area: '0.0.0.3',
  });
});

test('the clock is saved, and never back', () => {
  const script = join(import.meta.dirname, '../../firmware-build/rootfs/usr/lib/bivouac/box/clock');
  const file = join(root, 'clock');
  const clock = (verb: string): string => execFileSync('sh', [script, verb, file], { encoding: 'utf8' });
  clock('save');
  const saved = Number(readFileSync(file, 'utf8'));
  expect(Math.abs(saved - Date.now() / 1000)).toBeLessThan(60);
  writeFileSync(file, '99999999999\n');
  utimesSync(file, 0, 0);
  clock('save');
  expect(readFileSync(file, 'utf8')).toBe('99999999999\n');
  // What is no number is as if there were none.
  writeFileSync(file, '$(reboot)\n');
  clock('restore');
  clock('save');
  expect(Number(readFileSync(file, 'utf8'))).toBeGreaterThanOrEqual(saved);
});
