import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { formatFault, loadConfig } from '../../../appliance/config/load.ts';

const faultsOf = (text: string): string[] => {
  const loaded = loadConfig(text);
  return 'faults' in loaded ? loaded.faults.map(fault => formatFault('f', fault)) : [];
};

describe('a good configuration', () => {
  test('gets its defaults', () => {
    const loaded = loadConfig(
      '{"name": "cell-a", "plain": true, "pools": ["10.255.0.0/30", "10.255.1.1-10.255.1.2", "fd00::1"]}',
    );
    if ('faults' in loaded) throw new Error(JSON.stringify(loaded.faults));
    const { config } = loaded;
    expect(config.listen).toEqual([{ address: '0.0.0.0', port: 9746 }]);
    expect(config.pools.map(range => range.last - range.first + 1n)).toEqual([4n, 2n, 1n]);
    expect(config.sessions.heartbeat).toBe(100);
    expect(config.damping?.halfLife).toBe(30_000);
    expect(config.operator.http).toEqual({ address: '127.0.0.1', port: 9748 });
  });

  test('turns damping and HTTP off when told to', () => {
    const loaded = loadConfig(
      '{"name": "a", "plain": true, "pools": ["10.0.0.1"], "damping": {"enabled": false}, "operator": {"http": false}}',
    );
    expect('config' in loaded && [loaded.config.damping, loaded.config.operator.http]).toEqual([
      undefined,
      undefined,
    ]);
  });
});

test('a GSLB without pools hears everywhere, and forwards and routes nothing', () => {
  const loaded = loadConfig(
    '{"name": "hq", "tls": {"ca": "a", "certificate": "b", "key": "c"}, "gslb": {"zones": ["m"]}}',
  );
  if ('faults' in loaded) throw new Error(JSON.stringify(loaded.faults));
  const { alone, notices, dataplane, routing, gslb } = loaded.config;
  expect([alone, notices.interfaces, dataplane.driver, routing.driver, gslb?.port]).toEqual([
    true,
    ['*'],
    'none',
    'none',
    53,
  ]);
});

describe('a fault names the line, the value and the mend', () => {
  test.each([
    ['not JSON', '{\n"name": }', /^f:2: not JSON/],
    [
      'a key that nobody knows',
      '{\n"name": "a",\n"pools": ["10.0.0.1"],\n"plain": true,\n"pool": []}',
      /^f:1: unknown key 'pool': one of .*pools/,
    ],
    [
      'a pool that is none',
      '{"name": "a", "plain": true, "pools": [\n"10.0.0.0/24",\n"10.0.0.9-10.0.0.1"]}',
      /^f:3: \/pools\/1: '10.0.0.9-10.0.0.1' ends before it begins/,
    ],
    [
      'a value out of range',
      '{"name": "a", "plain": true, "pools": ["10.0.0.1"],\n"sessions": {\n"heartbeat": 5}}',
      /^f:3: \/sessions\/heartbeat: 5 must be >= 10/,
    ],
    ['neither pools nor a GSLB', '{"name": "a", "plain": true}', /^f:1: 'pools' is missing/],
    ['neither TLS nor plain', '{"name": "a", "pools": ["10.0.0.1"]}', /^f:1: neither 'tls' nor 'plain'/],
    [
      'both',
      '{"name": "a", "pools": ["10.0.0.1"],\n"plain": true, "tls": {"ca": "a", "certificate": "b", "key": "c"}}',
      /^f:2: \/plain/,
    ],
    ['a missing key', '{"plain": true}', /'name' is missing/],
    [
      'an endpoint that is none',
      '{"name": "a", "plain": true, "pools": ["10.0.0.1"], "listen": ["localhost:1"]}',
      /must be address:port/,
    ],
    [
      'two DHCP servers on one link',
      '{"name": "a", "plain": true, "pools": ["10.0.0.1"], "dhcp": [\n{"interface": "eth1", "range": "10.1.0.5-10.1.0.9"},\n{"interface": "eth1", "range": "10.1.0.15-10.1.0.19"}]}',
      /^f:3: \/dhcp\/1\/interface: 'eth1' is served by \/dhcp\/0 already: take/,
    ],
    [
      'a group that is none',
      '{"name": "a", "plain": true, "pools": ["10.0.0.1"], "notices": {\n"groups": ["ff05::1", "10.0.0.1"]}}',
      /^f:2: \/notices\/groups\/1: '10.0.0.1' is no multicast group: take/,
    ],
    [
      'damping that never ends',
      '{"name": "a", "plain": true, "pools": ["10.0.0.1"], "damping": {"reuse": 9000}}',
      /'reuse' must be below 'suppress'/,
    ],
  ])('%s', (_, text, expected) => {
    expect(faultsOf(text).join('\n')).toMatch(expected);
  });
});

test('the published schema is a valid JSON Schema and describes every top-level key', () => {
  const schema = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../../appliance/config/bivouac.schema.json'), 'utf8'),
  );
  expect(new Ajv({ strict: false }).validateSchema(schema)).toBe(true);
  for (const [key, value] of Object.entries<Record<string, unknown>>(schema.properties)) {
    if (value['type'] !== 'object' && key !== '$schema' && key !== 'plain')
      expect(value, key).toHaveProperty('description');
  }
});

test('the examples of docs/operations.md are good configurations', () => {
  const text = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const examples = [...text.matchAll(/```json\n(.*?)```/gs)].map(match => match[1]!);
  expect(examples.length).toBeGreaterThan(0);
  for (const example of examples) expect(loadConfig(example)).toHaveProperty('config');
});
