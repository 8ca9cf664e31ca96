import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createStore } from '../../../appliance/host/store.ts';
import type { State } from '../../../appliance/registry/state.ts';
import { emptyState } from '../../../appliance/registry/update.ts';
import { DOCUMENT_SCHEMA } from '../../../appliance/store/documents.ts';
import { createPersistence, type Persistence } from '../../../appliance/store/persistence.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ManagerId } from '../../../sdk/wire/model.ts';
import { Registry, serverId } from '../../support/registry.ts';
import { recordingLog, VirtualClock } from '../../support/virtual.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bivouac-store-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = (clock = new VirtualClock(), log = recordingLog()): Persistence =>
  createPersistence(createStore(directory, DOCUMENT_SCHEMA, log), clock, log, emptyState());

function served(): { registry: Registry; state: State } {
  const registry = new Registry();
  for (const number of [1, 2, 3]) {
    registry.serve(number, { check: { ...plainCheck(), send: Uint8Array.of(1, 2), kind: 'none' } });
  }
  registry.settle();
  return { registry, state: registry.state };
}
const plainCheck = () => ({
  port: 0,
  interval: 1000,
  timeout: 500,
  rise: 1,
  fall: 1,
  target: '',
  expectText: '',
  expectStatus: [0, 0] as const,
  expect: new Uint8Array(0),
});

test('whose VIPs were elsewhere is stored, and written anew only when it is another’s', () => {
  const { registry } = served();
  const [vip, server] = [address('10.255.0.200'), serverId(9)];
  const hear = (epoch: number) =>
    registry.feed({
      ...{ type: 'heard', manager: 'b'.repeat(64) as ManagerId, name: 'b', addresses: [], gone: [] },
      ...{ bindings: [{ vip, server, epoch, shared: false, hosts: [] }], complete: true },
    });
  hear(1);
  const persistence = open();
  persistence.note(registry.state);
  persistence.flush();
  expect(open().load().kept).toEqual([{ vip, server, shared: false }]);
  const [document] = readdirSync(directory).filter(name => name.startsWith('kept-'));
  const { mtimeNs } = statSync(join(directory, document!), { bigint: true });
  hear(2);
  persistence.note(registry.state);
  persistence.flush();
  expect(statSync(join(directory, document!), { bigint: true }).mtimeNs).toBe(mtimeNs);
});

test('what is stored comes back as it was', () => {
  const { registry, state } = served();
  const persistence = open();
  persistence.note(state);
  persistence.flush();
  const { leases, servers } = open().load();
  const again = new Registry();
  again.feed({ type: 'restored', leases, servers });
  expect([...again.state.leases.keys()]).toEqual([...state.leases.keys()]);
  for (const server of state.servers.values()) {
    const back = again.state.servers.get(server.id);
    expect(
      [...back!.services.values()].map(record => [record.spec, record.state, record.intent, record.address]),
    ).toEqual(
      [...server.services.values()].map(record => [record.spec, record.state, record.intent, record.address]),
    );
  }
  again.settle();
  expect([...again.derived.wanted.routing.routes.keys()]).toEqual([
    ...registry.derived.wanted.routing.routes.keys(),
  ]);
});

test('changes are gathered, and only the documents that changed are written', async () => {
  const clock = new VirtualClock();
  const persistence = open(clock);
  const { registry, state } = served();
  persistence.note(state);
  expect(readdirSync(directory)).toEqual([]);
  await clock.advance(150);
  const before = new Map(readdirSync(directory).map(name => [name, statSync(join(directory, name)).ino]));
  expect(before.size).toBeGreaterThan(0);
  registry.say(1, { type: 'report', reports: [{ service: 1, state: 'up', connections: 5, load: 5 }] });
  persistence.note(registry.state);
  await clock.advance(150);
  expect(new Map(readdirSync(directory).map(name => [name, statSync(join(directory, name)).ino]))).toEqual(
    before,
  );
  registry.end(1);
  persistence.note(registry.state);
  await clock.advance(150);
  const changed = readdirSync(directory).filter(
    name => statSync(join(directory, name)).ino !== before.get(name),
  );
  expect(changed.length).toBe(1);
  expect(changed[0]).toMatch(/^servers-/);
});

test.each([
  ['not JSON at all', () => '{"version": 1, "leases": ['],
  ['of another shape', () => '{"version": 1, "leases": [{"vip": 7}]}'],
  ['of an unknown version', (text: string) => text.replace('"version": 1', '"version": 9')],
  ['with a VIP that is none', (text: string) => text.replace(/10\.255\.0\.\d+/, 'ten')],
])('a document that is %s is set aside, said so, and not overwritten', (_, spoil) => {
  const persistence = open();
  persistence.note(served().state);
  persistence.flush();
  const name = readdirSync(directory).find(file => file.startsWith('leases-'))!;
  const path = join(directory, name);
  const spoilt = spoil(readFileSync(path, 'utf8').replace(/"version":\s*1/, '"version": 1'));
  writeFileSync(path, spoilt);
  const log = recordingLog();
  const reopened = open(new VirtualClock(), log);
  expect(reopened.load().leases).toEqual([]);
  expect(log.records.map(record => [record.level, record.event])).toEqual([
    ['error', 'stored-state-corrupt'],
  ]);
  expect(readFileSync(`${path}.corrupt-1`, 'utf8')).toBe(spoilt);
  reopened.note(served().state);
  reopened.flush();
  expect(readFileSync(`${path}.corrupt-1`, 'utf8')).toBe(spoilt);
  expect(open().load().leases.length).toBe(3);
});

test('a crowd is written when it is calm, or when it has waited long enough', async () => {
  const clock = new VirtualClock();
  const persistence = open(clock);
  const { registry } = served();
  let beats = 0;
  const change = async (ms: number): Promise<void> => {
    registry.say(1, {
      type: 'report',
      reports: [{ service: 1, state: beats++ % 2 ? 'up' : 'down', connections: 0, load: 0 }],
    });
    persistence.note(registry.state);
    await clock.advance(ms);
  };
  for (let count = 0; count < 6; count++) await change(80);
  expect(readdirSync(directory)).toEqual([]);
  await change(80);
  expect(readdirSync(directory)).not.toEqual([]);
});
