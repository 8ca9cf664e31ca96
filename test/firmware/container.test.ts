/**
 * The container's root file system as it was built last, started without an engine: unpacked, in namespaces of its own, with its default
 * command.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveOrMade } from '../support/box-images.ts';
import { type LongProcess, type Namespace, Network, poll } from '../support/netns.ts';

const archive = await archiveOrMade();
const CONFIGURATION = {
  ...{ name: 'cell-a', plain: true, pools: ['10.255.1.0/24'] },
  operator: { http: '127.0.0.1:9748' },
};

let network: Network;
let space: Namespace;
let root: string;

beforeAll(() => {
  network = new Network();
  space = network.namespace('container');
  space.ip('link set lo up');
  root = mkdtempSync(join(tmpdir(), 'bivouac-root-'));
  execFileSync('tar', ['--numeric-owner', '-xpf', archive, '-C', root]);
});
afterAll(async () => {
  await network.dispose();
  rmSync(root, { recursive: true, force: true });
});

/** Its default command, as process 1, with the file systems that a container's runtime gives it. */
function start(): LongProcess {
  const script = `set -eu
mount --make-rprivate /
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys"
mount --rbind /dev "$1/dev"
for fresh in run tmp; do mount -t tmpfs fresh "$1/$fresh"; done
exec chroot "$1" /usr/lib/bivouac/start
`;
  const namespaces = ['--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child'];
  return space.spawn('unshare', [...namespaces, 'sh', '-c', script, 'container', root]);
}

test('it has what it runs, and no package manager', () => {
  const there = ['usr/bin/node', 'usr/bin/bivouac', 'usr/lib/frr/ospfd', 'usr/sbin/nft', 'usr/sbin/ipvsadm'];
  expect(there.filter(path => !existsSync(join(root, path)))).toEqual([]);
  expect(['usr/bin/apt', 'usr/bin/perl'].filter(path => existsSync(join(root, path)))).toEqual([]);
});

test('without a configuration it says where to bind one', async () => {
  const container = start();
  expect(await container.exited).toBe(2);
  expect(container.stderr()).toContain('/etc/bivouac/bivouac.json');
});

test('with one, FRR and the manager run, with the data plane by the library', async () => {
  mkdirSync(join(root, 'etc/bivouac'), { recursive: true });
  writeFileSync(join(root, 'etc/bivouac/bivouac.json'), JSON.stringify(CONFIGURATION));
  const container = start();
  const ready = async (): Promise<string> =>
    (await space.run('curl', ['-s', '-m', '5', 'http://127.0.0.1:9748/readyz'])).stdout;
  const up = async (): Promise<boolean> => (await ready()).startsWith('ready\n');
  expect(await poll(up, 120_000, 'the manager is ready')).toBe(true);
  expect(await ready()).toBe('ready\n');
  expect(container.stderr()).not.toContain('dataplane-slow');
  const children = readFileSync(`/proc/${container.pid}/task/${container.pid}/children`, 'utf8');
  process.kill(Number(children.split(' ')[0]), 'SIGTERM');
  expect(await container.exited).toBe(0);
});
