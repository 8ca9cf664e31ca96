/** The texts by which the runner makes nodes and links: right in themselves, and shell that a shell accepts. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { renderContainer } from '../../../labs/runner/container.ts';
import { renderInit } from '../../../labs/runner/init.ts';
import { renderConfigure, renderLinks } from '../../../labs/runner/wire.ts';
import { parseTopology } from '../../../labs/topology/parse.ts';

const file = new URL('../../../containerlab.yml', import.meta.url).pathname;
const reference = parseTopology(file, readFileSync(file, 'utf8'));

const isShell = (script: string): string =>
  spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' }).stderr;

const init = (name: string): string =>
  renderInit({
    node: reference.nodes.get(name)!,
    mountPoint: '/run/some where/root',
    share: ['/project'],
    cap: '/project/node_modules/cap',
    bivouac: ['/opt/node 20/bin/node', '/project/dist/bivouac.mjs'],
  });

test('every node of the reference network gets scripts without a syntax error', () => {
  const faults = [...reference.nodes.values()].flatMap(node => [
    isShell(init(node.name)),
    isShell(renderConfigure(reference, node)),
  ]);
  expect(faults.length).toBe(2 * reference.nodes.size);
  expect(faults.filter(fault => fault !== '')).toEqual([]);
});

test('binds, sysctls and host name of a router', () => {
  const script = init('hq');
  expect(script).toMatch(/^bind \S+\/labs\/nodes\/hq\/frr\.conf \/etc\/frr\/frr\.conf ro$/m);
  expect(script).toMatch(/^echo 1 > \/proc\/sys\/net\/ipv4\/ip_forward$/m);
  expect(script).toMatch(/^hostname hq$/m);
});

test('a node as a container: its image without a network, with its binds, sysctls and environment', () => {
  const words = renderContainer('x', reference.nodes.get('hq')!, { CLAB_INTFS: '3' });
  expect(words.slice(0, 3)).toEqual(['docker', 'run', '--detach']);
  const behind = (option: string): readonly string[] =>
    words.filter((_, index) => words[index - 1] === option);
  expect(behind('--network')).toEqual(['none']);
  expect(behind('--name')).toEqual(['clab-x-hq']);
  expect(behind('--sysctl')).toContain('net.ipv4.ip_forward=1');
  expect(behind('--volume').some(bind => /\/hq\/frr\.conf:\/etc\/frr\/frr\.conf:ro$/.test(bind))).toBe(true);
  expect(behind('--env')).toEqual(['CLAB_INTFS=3']);
  expect(words.at(-4)).toBe('bivouac:latest');
  expect(isShell(words.at(-1)!)).toBe('');
});

test('both ends of a link are born in their nodes', () => {
  const batch = renderLinks(reference, name => [...reference.nodes.keys()].indexOf(name) + 100);
  const lines = batch.trimEnd().split('\n');
  expect(lines).toHaveLength(reference.links.length);
  expect(lines[0]).toBe(
    `link add name eth1 mtu 1500 netns 100 type veth peer name eth1 mtu 1500 netns ${[...reference.nodes.keys()].indexOf('core1') + 100}`,
  );
  for (const line of lines) expect(line.match(/netns \d+/g)).toHaveLength(2);
});

test('a failing exec names itself and stops the rest', () => {
  const small = parseTopology(
    '/x.yml',
    'name: x\ntopology:\n  nodes:\n    n: { kind: linux, image: i, exec: [ "true", "sh -c \'exit 7\'", "echo not-me" ] }\n',
  );
  const { status, stdout, stderr } = spawnSync('sh', ['-s'], {
    input: renderConfigure(small, small.nodes.get('n')!),
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({
    status: 1,
    stdout: '',
    stderr: 'exec of sh -c exit 7 ended with status 7\n',
  });
});

test("a bridge takes all of its links' ends", () => {
  const small = parseTopology(
    '/x.yml',
    'name: x\ntopology:\n  nodes:\n    s: { kind: bridge }\n    n: { kind: linux, image: i }\n  links: [ { endpoints: [ "s:p1", "n:eth0" ] } ]\n',
  );
  expect(renderConfigure(small, small.nodes.get('s')!)).toContain('ip link set p1 master br0');
});
