/**
 * What the container image runs by default, on this host's own files with an /etc and a /run of its own: what it says when something is
 * missing, and that FRR and the manager run.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PROGRAM } from '../support/daemon.ts';
import { type LongProcess, type Namespace, Network, poll } from '../support/netns.ts';
import { ROOT } from '../support/root.ts';

const CONFIGURATION = {
  ...{ name: 'cell-a', plain: true, pools: ['10.255.1.0/24'], state: '/run/bivouac-state' },
  routing: { driver: 'frr' },
  operator: { http: '127.0.0.1:9748', socket: '/run/bivouac.sock' },
};
const FRR = 'hostname cell-a\nrouter ospf\n ospf router-id 10.254.0.11\n';
const PATIENCE = 60_000;

/** Makes a container of namespaces, and becomes its command. $1: a directory; what is in its `etc` is bound into /etc. */
const CONTAINER = `set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs layer "$1/layer"
mkdir "$1/layer/upper" "$1/layer/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/layer/upper,workdir=$1/layer/work" layer /etc
mount -t tmpfs run /run
rm -rf /etc/bivouac /etc/frr/frr.conf
cp -r "$1/etc/." /etc
ip link set lo up
PATH="$1/bin:$PATH"
shift
exec "$@"
`;

let network: Network;
let space: Namespace;
let directory: string;

beforeEach(() => {
  network = new Network();
  space = network.namespace('container');
  directory = mkdtempSync(join(tmpdir(), 'bivouac-container-'));
  for (const name of ['layer', 'etc', 'bin']) mkdirSync(join(directory, name));
  const program = `#!/bin/sh\nexec ${process.execPath} ${PROGRAM} "$@"\n`;
  writeFileSync(join(directory, 'bin/bivouac'), program, { mode: 0o755 });
});
afterEach(async () => {
  await network.dispose();
  rmSync(directory, { recursive: true, force: true });
});

function bind(path: string, text: string): void {
  const file = join(directory, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Starts the image's command; `words`: what is put before it. */
function start(...words: string[]): LongProcess {
  const namespaces = ['--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child'];
  const command = [...words, join(ROOT, 'firmware-build/container/start')];
  return space.spawn('unshare', [...namespaces, 'sh', '-c', CONTAINER, 'container', directory, ...command]);
}

test('without a configuration it says where to bind one', async () => {
  const container = start();
  expect(await container.exited).toBe(2);
  expect(container.stderr()).toMatch(/bind the configuration to \/etc\/bivouac\/bivouac\.json/);
});

test('without a capability that it needs it says how to start it', async () => {
  bind('etc/bivouac/bivouac.json', JSON.stringify(CONFIGURATION));
  const container = start('setpriv', '--bounding-set', '-sys_admin');
  expect(await container.exited).toBe(2);
  expect(container.stderr()).toMatch(/--privileged, or with\n--cap-add NET_ADMIN .* SYS_ADMIN/);
});

test('with both, FRR and the manager run, and it ends when it is told', async () => {
  bind('etc/bivouac/bivouac.json', JSON.stringify(CONFIGURATION));
  bind('etc/frr/frr.conf', FRR);
  const container = start();
  const ready = async (): Promise<string> =>
    (await space.run('curl', ['-s', '-m', '5', 'http://127.0.0.1:9748/readyz'])).stdout;
  await poll(async () => (await ready()).startsWith('ready'), PATIENCE, 'the manager is ready');
  const inside = childOf(container.pid);
  const ask = ['--target', `${inside}`, '--all', 'vtysh', '-c', 'show ip ospf'];
  expect((await space.run('nsenter', ask)).stdout).toContain('Router ID: 10.254.0.11');
  process.kill(inside, 'SIGTERM');
  expect(await container.exited).toBe(0);
});

/** The process 1 of the container, as the host counts. */
function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]);
}
