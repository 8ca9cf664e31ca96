/**
 * The product away from its repository: dist/bivouac.mjs, dist/native and dist/node_modules/koffi copied elsewhere, and nothing
 * else of the project within reach. Manager, agent and `bivouac query` on the link run from there, with the bundle's own addons.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensurePki } from '../../labs/pki.ts';
import { Lab, takeDown } from '../../labs/runner/lab.ts';
import { vipOf } from '../../labs/scenarios/managers.ts';
import { parseTopology } from '../../labs/topology/parse.ts';
import { ROOT, reduced } from '../support/lab.ts';

const KEPT = ['a-appliance', 'a-switch', 'a-mcu1', 'a-client'];
const id = `bundle-${process.pid}`;
const scratch = mkdtempSync(join(tmpdir(), 'bivouac-bundle-'));
let lab: Lab;

beforeAll(async () => {
  const reference = join(ROOT, 'containerlab.yml');
  await ensurePki(ROOT, parseTopology(reference, readFileSync(reference, 'utf8')));
  for (const part of ['bivouac.mjs', 'native', 'node_modules/koffi', 'node_modules/@koromix'])
    cpSync(join(ROOT, 'dist', part), join(scratch, 'dist', part), { recursive: true });
  const nothing = join(scratch, 'nothing');
  mkdirSync(nothing);
  // An empty directory in the place of the project hides it.
  const hidden = { binds: [`${nothing}:${ROOT}:ro`] };
  const file = join(scratch, 'cell.yml');
  writeFileSync(file, reduced(KEPT, Object.fromEntries(KEPT.map(name => [name, hidden]))));
  lab = await Lab.up(parseTopology(file, readFileSync(file, 'utf8')), { id, root: scratch });
});
afterAll(async () => {
  await takeDown(id);
  rmSync(scratch, { recursive: true });
});

test('a server registers with it, and is found by anycast ARP on the link and over UDP', async () => {
  const client = lab.node('a-client');
  expect(await client.must(['ls', '-A', ROOT])).toBe('');
  const vip = await vipOf(lab.node('a-appliance'), 'mcu.a.bivouac.test', 1);
  for (const how of [['--link', 'eth1'], []]) {
    const answer = JSON.parse(await client.must(['bivouac', 'query', vip, '--json', ...how])) as {
      servers: { address: string }[];
      from: string;
    };
    expect(answer).toMatchObject({ vip, servers: [{ address: '10.1.0.11' }] });
  }
});

test('its commands start without the rest of it', async () => {
  expect(await lab.node('a-client').must(['bivouac', 'query', '--help'])).toContain('usage: bivouac query');
  const asked = await lab.node('a-client').exec(['bivouac', 'query', '10.255.1.1', '--link', 'nowhere']);
  expect(asked.status).toBe(3);
  expect(asked.stderr).toBe("bivouac query: there is no interface 'nowhere': one of eth1, lo\n");
});
