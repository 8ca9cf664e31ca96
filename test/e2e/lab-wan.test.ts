/** Lines of a wide-area network on the real kernel: their delay, their rate, what goes first, and that nothing of them stays. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab, processesOf } from '../../labs/runner/lab.ts';
import { run } from '../../labs/runner/process.ts';
import { poll } from '../../labs/scenario/poll.ts';
import { cut, mend } from '../../labs/scenarios/cut.ts';
import { parseTopology } from '../../labs/topology/parse.ts';
import { Wan } from '../../labs/wan/wan.ts';
import { ROOT } from '../support/lab.ts';

const DELAY = 25;
const scratch = mkdtempSync(join(tmpdir(), 'bivouac-wan-test-'));
const file = join(scratch, 'wan.yml');
const id = `wan-${process.pid}`;
let lab: Lab;
let wan: Wan;

beforeAll(async () => {
  writeFileSync(
    file,
    `name: wan
topology:
  defaults: { kind: linux, image: bivouac:latest }
  nodes:
    near: { exec: [ "ip address add 192.0.2.1/24 dev eth1" ] }
    far: { exec: [ "ip address add 192.0.2.2/24 dev eth1" ] }
  links:
    - { endpoints: [near:eth1, far:eth1], mtu: 1500, vars: { delay: ${DELAY}ms, rate: 2mbit } }
`,
  );
  lab = await Lab.up(parseTopology(file, readFileSync(file, 'utf8')), { id, root: ROOT });
  wan = await Wan.start(lab);
});
afterAll(async () => {
  await lab.down();
  rmSync(scratch, { recursive: true });
});

interface Pings {
  readonly sent: number;
  readonly received: number;
  /** ms; undefined: none came back. */
  readonly least: number | undefined;
}

async function ping(...words: string[]): Promise<Pings> {
  const { stdout } = await lab.node('near').exec(['ping', '-n', '-q', '-W', '10', ...words, '192.0.2.2']);
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(stdout) ?? [];
  const least = /min\/avg\/max\/mdev = ([\d.]+)/.exec(stdout)?.[1];
  return {
    sent: Number(sent),
    received: Number(received),
    least: least === undefined ? undefined : Number(least),
  };
}

/** Datagrams of 1400 bytes, 10 Mbit/s: five times what the line carries. */
const FLOOD = `const s = require('dgram').createSocket('udp4');
  setInterval(() => { for (let i = 0; i < 9; i++) s.send(Buffer.alloc(1400), 9, '192.0.2.2', () => {}); }, 10)`;

/** Bytes that have come to the far end, and when, ms. */
async function arrived(): Promise<{ readonly bytes: number; readonly at: number }> {
  const text = await lab.node('far').must(['cat', '/sys/class/net/eth1/statistics/rx_bytes']);
  return { bytes: Number(text), at: performance.now() };
}

test('a frame takes the delay there and back, and hardly more', async () => {
  const { received, least } = await ping('-c', '10', '-i', '0.05');
  expect(received).toBe(10);
  expect(least).toBeGreaterThanOrEqual(2 * DELAY);
  // However busy the machine, one of ten comes in time.
  expect(least).toBeLessThan(2 * DELAY + 25);
});

test('what is more than the line carries is dropped, but for what keeps the network together', async () => {
  const flood = lab.node('near').spawn(['node', '-e', FLOOD]);
  // The queue is full: 100 ms, and those of the line itself.
  const full = await poll('the line is full', async () => ((await ping('-c', '1')).least ?? 0) > 100);
  const before = await arrived();
  const control = await ping('-Q', '0xc0', '-c', '10', '-i', '0.1');
  const after = await arrived();
  await flood.stop('SIGKILL');
  expect([full, control.received]).toEqual([true, 10]);
  expect(control.least).toBeLessThan(100);
  const rate = ((after.bytes - before.bytes) * 8000) / (after.at - before.at);
  expect(rate).toBeLessThan(2.4e6);
  expect(rate).toBeGreaterThan(1e6);
});

test('a line that is cut is cut', async () => {
  await cut(lab.node('near'), 'eth1');
  expect((await ping('-c', '2', '-i', '0.05', '-W', '1')).received).toBe(0);
  await mend(lab.node('near'), 'eth1');
  expect(await poll('it is whole again', async () => (await ping('-c', '1')).received === 1)).toBe(true);
});

test('when it stops the link is a plain one, and nothing is left of it', async () => {
  await wan.stop();
  expect(
    await poll('it is quick', async () => ((await ping('-c', '3', '-i', '0.01')).least ?? 99) < 10),
  ).toBe(true);
  for (const name of ['near', 'far']) {
    expect(await lab.node(name).must(['nft', 'list', 'ruleset'])).toBe('');
    expect(await lab.node(name).must(['ip', '-brief', 'link'])).not.toContain('wan-');
  }
});

test('a lab that stays has its lines until it is taken down', async () => {
  const stays = `${id}-stays`;
  const command = (...words: string[]) =>
    run([process.execPath, join(ROOT, 'dist/lab.mjs'), ...words, '--lab', stays, '--file', file]);
  try {
    const up = await command('up', '--wan');
    expect(up).toMatchObject({ status: 0, stderr: '' });
    expect(up.stdout).toMatch(/^1 links have the delay/);
    const far = Lab.open(stays, path => parseTopology(path, readFileSync(path, 'utf8'))).node('far');
    const { stdout } = await far.exec(['ping', '-c', '3', '-i', '0.05', '192.0.2.1']);
    expect(Number(/mdev = ([\d.]+)/.exec(stdout)?.[1])).toBeGreaterThanOrEqual(2 * DELAY);
  } finally {
    await command('down');
  }
  expect(processesOf(stays)).toEqual([]);
});

test('a lab that is taken down takes its lines with it', async () => {
  const again = await Wan.start(lab);
  expect(again.links).toHaveLength(1);
  const line = (pid: number): boolean =>
    readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('lab-line.mjs');
  expect(processesOf(id).filter(line)).toHaveLength(1);
  await lab.down();
  expect(processesOf(id)).toEqual([]);
});
