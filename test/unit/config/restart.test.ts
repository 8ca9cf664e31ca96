import { expect, test } from 'vitest';
import type { Config } from '../../../appliance/config/config.ts';
import { loadConfig } from '../../../appliance/config/load.ts';
import { takeOver } from '../../../appliance/config/restart.ts';

function read(changes: object = {}): Config {
  const loaded = loadConfig(JSON.stringify({ name: 'm', pools: ['10.0.0.0/24'], plain: true, ...changes }));
  if (!('config' in loaded)) throw new Error(JSON.stringify(loaded.faults));
  return loaded.config;
}

test('the same configuration needs nothing', () => {
  expect(takeOver(read(), read())).toEqual({ config: read(), needRestart: [] });
});

test.each([
  [{ pools: ['10.0.0.0/24', '10.0.1.0/24'] }],
  [{ static: [{ vip: '10.0.0.9' }] }],
  [{ lease: { duration: 60 } }],
  [{ damping: { enabled: false } }],
  [{ sessions: { heartbeat: 500 } }],
  [{ routing: { metric: 30, steps: 2 } }],
  [{ stop: 'leave' }],
])('%j is taken over', changes => {
  expect(takeOver(read(), read(changes))).toEqual({ config: read(changes), needRestart: [] });
});

test.each([
  ['listen', { listen: ['127.0.0.1:1'] }],
  ['access', { access: ['eth9'] }],
  ['anycast', { anycast: { port: 1 } }],
  ['operator', { operator: { http: false } }],
  ['routing.kind', { routing: { kind: 'internal' } }],
  ['sessions.perAddress', { sessions: { perAddress: 3 } }],
  ['tls', { plain: undefined, tls: { ca: 'a', certificate: 'b', key: 'c' } }],
])('%s waits for a restart, and stays as it was', (path, changes) => {
  const { config, needRestart } = takeOver(read(), read({ ...changes, lease: { duration: 60 } }));
  expect(needRestart).toContain(path);
  expect(config).toEqual(read({ lease: { duration: 60 } }));
});
