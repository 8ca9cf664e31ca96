/** The lab on the real kernel: a reduced reference network with FRR, twice at once, interrupted, killed; nothing may be left. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { ensurePki } from '../../labs/pki.ts';
import { Lab, processesOf, takeDown } from '../../labs/runner/lab.ts';
import { run } from '../../labs/runner/process.ts';
import { load } from '../../labs/runner/state.ts';
import { poll } from '../../labs/scenario/poll.ts';
import { fullNeighbors, ospfRoutes } from '../../labs/scenarios/ospf.ts';
import type { Topology } from '../../labs/topology/model.ts';
import { parseTopology } from '../../labs/topology/parse.ts';
import { holdings, namespacesOf, ROOT, reduced } from '../support/lab.ts';

const KEPT = ['hq', 'hq-switch', 'hq-client1', 'core1', 'a-appliance', 'a-switch', 'a-web1'];
/** The reference network cut down to one cell and the way there; its appliance is a plain router. */
const TEXT = reduced(KEPT, {
  'a-appliance': { cmd: '/lab/start.sh router' },
  'a-web1': { cmd: 'sleep infinity' },
});
const scratch = mkdtempSync(join(tmpdir(), 'bivouac-lab-test-'));
const file = join(scratch, 'reduced.yml');
const used: string[] = [];

/** A name that no other run has. */
const fresh = (): string => {
  const id = `test-${process.pid}-${used.length}`;
  used.push(id);
  return id;
};

beforeAll(async () => {
  writeFileSync(file, TEXT);
  const reference = join(ROOT, 'containerlab.yml');
  await ensurePki(ROOT, parseTopology(reference, readFileSync(reference, 'utf8')));
});
afterAll(async () => {
  for (const id of used) await takeDown(id);
  rmSync(scratch, { recursive: true });
});

const topology = (): Topology => parseTopology(file, readFileSync(file, 'utf8'));

const reachesCellA = (lab: Lab): Promise<boolean> =>
  poll('the client at headquarters reaches cell a', async () => {
    const { status } = await lab.node('hq-client1').exec(['ping', '-c', '1', '-W', '1', '10.1.0.21']);
    return status === 0;
  });

test('OSPF comes up and packets cross it; taken down, nothing is left', async () => {
  const id = fresh();
  const lab = await Lab.up(topology(), { id, root: ROOT });
  const spaces = namespacesOf(id);
  expect(spaces).toHaveLength(KEPT.length);

  await poll('core1 has both of its neighbours', async () => (await fullNeighbors(lab.node('core1'))) === 2);
  await poll('headquarters knows cell a', async () =>
    (await ospfRoutes(lab.node('hq'))).includes('10.1.0.0/24'),
  );
  expect(await reachesCellA(lab)).toBe(true);

  await lab.down();
  expect(await poll('all is gone', () => holdings(id, spaces).length === 0)).toBe(true);
});

test('a node is like a container: its own name, processes, files and bound configuration', async () => {
  const id = fresh();
  const lab = await Lab.up(topology(), { id, root: ROOT });
  const hq = lab.node('hq');
  expect((await hq.must(['hostname'])).trim()).toBe('hq');
  expect(await hq.must(['cat', '/etc/frr/frr.conf'])).toBe(
    readFileSync(join(ROOT, 'labs/nodes/hq/frr.conf'), 'utf8'),
  );
  expect((await hq.exec(['sh', '-c', 'echo x > /etc/frr/frr.conf'])).status).not.toBe(0);
  await hq.must(['sh', '-c', `echo mine > /etc/only-in-${id}; echo mine > /usr/only-in-${id}`]);
  expect((await lab.node('core1').exec(['cat', `/etc/only-in-${id}`])).status).not.toBe(0);
  expect(existsSync(`/etc/only-in-${id}`) || existsSync(`/usr/only-in-${id}`)).toBe(false);
  expect((await hq.must(['cat', '/proc/sys/net/ipv4/ip_forward'])).trim()).toBe('1');
  expect((await hq.must(['sh', '-c', 'tr "\\0" " " < /proc/1/cmdline'])).trim()).toMatch(
    /^sh \/run\/bivouac-lab/,
  );
  await lab.down();
});

test('two labs side by side do not disturb each other', async () => {
  const [first, second] = [fresh(), fresh()];
  const labs = await Promise.all([first, second].map(id => Lab.up(topology(), { id, root: ROOT })));
  expect(await Promise.all(labs.map(reachesCellA))).toEqual([true, true]);
  await expect(Lab.up(topology(), { id: first, root: ROOT })).rejects.toThrow(`'${first}' is already there`);
  await labs[0]!.down();
  expect(processesOf(first)).toEqual([]);
  const { stdout } = await labs[1]!.node('hq-client1').exec(['ping', '-c', '20', '-i', '0.01', '10.1.0.21']);
  expect(stdout).toContain(' 0% packet loss');
  await labs[1]!.down();
});

describe('a lab that cannot be made says why and leaves nothing', () => {
  test.each([
    [
      'a failing exec',
      { exec: ['ip address add nonsense dev eth1'] },
      /hq-client1: .*exec of ip address add nonsense dev eth1 ended with status 1/s,
    ],
    [
      'a missing bind',
      { binds: ['/no/such/file:/x'] },
      "node 'hq-client1': the bind /no/such/file is missing",
    ],
    ['another image', { image: 'alpine:3' }, "node 'hq-client1': the image 'alpine:3' is not to be had here"],
  ])('%s', async (_what, change, message) => {
    const id = fresh();
    const text = parse(TEXT) as { topology: { nodes: Record<string, object> } };
    Object.assign(text.topology.nodes['hq-client1']!, change);
    const broken = parseTopology(file, stringify(text));
    await expect(Lab.up(broken, { id, root: ROOT })).rejects.toThrow(message);
    expect(holdings(id, [])).toEqual([]);
  });
});

describe('interrupted', () => {
  const start = (id: string) => {
    const args = ['dist/lab.mjs', 'run', 'network', '--lab', id];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    child.stderr.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    const ended = new Promise<number>(resolve => child.once('exit', code => resolve(code ?? -1)));
    return { child, ended, output: () => output };
  };

  test.each([
    ['SIGINT', 'while its nodes are made', () => false],
    ['SIGTERM', 'in the middle of a scenario', (output: string) => /^ 1 {2}ok/m.test(output)],
  ] as const)('%s %s', async (signal, _when, isTime) => {
    const id = fresh();
    const { child, ended, output } = start(id);
    // Either its first nodes are there, or the moment that the case waits for has come.
    await poll('the lab is at work', () =>
      _when.startsWith('while') ? processesOf(id).length > 3 : isTime(output()),
    );
    const spaces = namespacesOf(id);
    // As a terminal and npm do it: both tell.
    child.kill(signal);
    child.kill(signal);
    expect(await ended).toBe(130);
    expect(output()).toContain(`interrupted by ${signal}`);
    expect(await poll('all is gone', () => holdings(id, spaces).length === 0)).toBe(true);
  });

  test('SIGKILL: the nodes end with it, and the next `down` removes the files', async () => {
    const id = fresh();
    const { child, ended, output } = start(id);
    await poll('the scenario is at work', () => /^ 1 {2}ok/m.test(output()));
    const spaces = namespacesOf(id);
    expect(spaces.length).toBeGreaterThan(20);
    child.kill('SIGKILL');
    await ended;
    expect(await poll('its processes are gone', () => processesOf(id).length === 0)).toBe(true);
    await run([process.execPath, join(ROOT, 'dist/lab.mjs'), 'down', '--lab', id]);
    expect(holdings(id, spaces)).toEqual([]);
  });
});

test('help is no error; what cannot be understood is, in one sentence', async () => {
  const lab = (...words: string[]) => run([process.execPath, join(ROOT, 'dist/lab.mjs'), ...words]);
  const help = await lab('--help');
  expect(help).toMatchObject({ status: 0, stderr: '' });
  expect(help.stdout).toMatch(/^usage: npm run lab.*\n {2}exec NODE COMMAND…/s);
  expect(await lab('toString')).toEqual({
    status: 2,
    stdout: '',
    stderr: "lab: there is no command 'toString'\nnpm run lab -- --help tells what there is\n",
  });
  expect((await lab('--file', '/no/such/file')).stderr).toBe('lab: there is no file /no/such/file\n');
});

test('up stays, exec runs in it, down ends it', async () => {
  const id = fresh();
  const lab = (...words: string[]) => run([process.execPath, join(ROOT, 'dist/lab.mjs'), ...words]);
  const up = await lab('up', '--lab', id, '--file', file);
  expect(up).toMatchObject({ status: 0, stderr: '' });
  expect(load(id)?.owner).toBeUndefined();
  const exec = await lab('exec', '--lab', id, 'hq', 'sh', '-c', 'hostname; exit 5');
  expect(exec).toMatchObject({ status: 5, stdout: 'hq\n' });
  // Ctrl-C at a terminal reaches both: it is for the program.
  const held = run([
    ...['sh', '-c', '"$@" & pid=$!; sleep 0.5; kill -INT $pid; kill -INT $pid; wait $pid', 'sh'],
    ...[
      process.execPath,
      join(ROOT, 'dist/lab.mjs'),
      'exec',
      '--lab',
      id,
      'hq',
      'sh',
      '-c',
      'sleep 1; exit 6',
    ],
  ]);
  expect((await held).status).toBe(6);
  const nobody = await lab('exec', '--lab', id, 'nobody', 'true');
  expect(nobody).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("no node 'nobody': it has hq,") as string,
  });
  const graph = await lab('graph', '--lab', id);
  expect(graph.stdout).toContain('└─ a-web1  server  10.1.0.21/24');
  expect((await lab('down', '--lab', id)).stdout).toBe(`lab '${id}' is down\n`);
  expect(holdings(id, [])).toEqual([]);
});
