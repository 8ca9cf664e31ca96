/** Who is where: the file, its faults, the longest prefix, and how a place's clients are dealt out. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  dealt,
  emptyTopology,
  locate,
  readTopology,
  SLOTS,
  siteOf,
  type Topology,
} from '../../../appliance/gslb/topology.ts';
import {
  type Address,
  address,
  addressFromBytes,
  parsePrefix,
  prefixHolds,
} from '../../../sdk/wire/address.ts';
import { manager } from './world.ts';

const read = (sites: unknown): Topology => {
  const found = readTopology(JSON.stringify({ sites }));
  if ('faults' in found) throw new Error(JSON.stringify(found.faults));
  return found.topology;
};

test('the longest prefix counts, in both families; a resolver counts for its clients', () => {
  const topology = read({
    hq: { clients: ['10.0.0.0/8', 'fd00::/16'], resolvers: ['192.0.2.53'] },
    'cell-a': { clients: ['10.1.0.0/16', 'fd00:1::/32'] },
  });
  const where = (client: string) => locate(topology, address(client)).site;
  expect(
    ['10.1.2.3', '10.2.0.1', 'fd00:1::5', 'fd00:2::5', '192.0.2.53', '192.0.2.54', '::1'].map(where),
  ).toEqual(['cell-a', 'hq', 'cell-a', 'hq', 'hq', undefined, undefined]);
  expect(locate(topology, address('10.1.2.3')).prefix).toBe('10.1.0.0/16');
});

test('what is wrong with a file is said with its place', () => {
  const faults = (text: string): string[] => {
    const found = readTopology(text);
    return 'faults' in found ? found.faults.map(({ path, sentence }) => `${path}: ${sentence}`) : [];
  };
  expect(faults('{')).toHaveLength(1);
  expect(faults('[]').length).toBeGreaterThan(0);
  expect(faults('{"sites":{"A b":{}}}')[0]).toContain('/sites/A b');
  expect(faults('{"sites":{"a":{"clients":["10.0.0.0/40"]}}}')[0]).toContain(
    "'10.0.0.0/40' is no address or prefix",
  );
  expect(faults('{"sites":{"a":{"clients":"10.0.0.0/8"}}}')[0]).toContain('list');
  expect(faults('{"sites":{"a":{"router":"x"}}}')[0]).toContain('/sites/a/router');
  expect(faults('{"sites":{"a":{"colour":1}},"more":1}')).toHaveLength(2);
  expect(faults('{"sites":{"a":{"clients":["10.0.0.0/8"]},"b":{"clients":["10.0.0.0/8"]}}}')[0]).toContain(
    'belongs to a already',
  );
});

test('noise is a fault, never a crash', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), text => {
      readTopology(text);
      readTopology(`{"sites":${text}}`);
      readTopology(`{"sites":{"a":${text}}}`);
    }),
  );
  expect(locate(emptyTopology, address('10.0.0.1')).site).toBeUndefined();
});

test('a manager is where the file says, else where its addresses are, else a site of its own', () => {
  const topology = read({
    a: { managers: ['edge-a'], clients: ['10.1.0.0/16'] },
    b: { router: '10.200.0.2', clients: ['10.2.0.0/16'] },
  });
  const site = (name: string, ...addresses: string[]) =>
    siteOf(topology, { manager: manager('a'), name, addresses: addresses.map(address) });
  expect(site('edge-a', '10.2.0.1')).toBe('a');
  expect(site('x', '172.16.0.1', '10.200.0.2')).toBe('b');
  expect(site('x', '172.16.0.1', '10.1.0.1')).toBe('a');
  expect(site('x', '172.16.0.1')).toBe('x');
});

test('each client has the slot of the subnet that it is dealt to, and neighbours have others', () => {
  for (const text of ['10.1.0.0/24', '10.0.0.0/8', '0.0.0.0/0', 'fd00:1::/64', '192.0.2.53/32']) {
    const prefix = parsePrefix(text)!;
    const topology = read({ a: { clients: [text] } });
    const subnets = [...dealt(prefix, topology.deal)];
    expect(subnets.length).toBeLessThanOrEqual(4096);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(), (noise, pick) => {
        const [subnet, slot] = subnets[pick % subnets.length]!;
        const client = within(subnet, noise);
        expect(prefixHolds(subnet, client)).toBe(true);
        expect(locate(topology, client)).toEqual({ site: 'a', prefix, slot });
      }),
      { numRuns: 20 },
    );
  }
  const slots = new Set(
    Array.from(
      { length: 40 },
      (_, at) => locate(read({ a: { clients: ['10.1.0.0/24'] } }), address(`10.1.0.${100 + at}`)).slot,
    ),
  );
  expect(slots.size).toBe(SLOTS);
});

/** An address in the prefix, of these bytes otherwise. */
function within(prefix: string, noise: Uint8Array): Address {
  const [base, length] = prefix.split('/') as [Address, string];
  const bytes = base.includes(':') ? Uint8Array.from(noise) : Uint8Array.from(noise.subarray(0, 4));
  const own = base.includes(':') ? undefined : base.split('.').map(Number);
  const fixed = own ?? bytesOf6(base);
  for (let bit = 0; bit < Number(length); bit++) {
    const mask = 0x80 >> (bit & 7);
    bytes[bit >> 3] = (bytes[bit >> 3]! & ~mask) | (fixed[bit >> 3]! & mask);
  }
  return addressFromBytes(bytes)!;
}

const bytesOf6 = (text: string): number[] => {
  const [head = '', tail = ''] = text.split('::');
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map(word => Number.parseInt(word, 16));
  const first = words(head);
  const last = words(tail);
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  return all.flatMap(word => [word >> 8, word & 255]);
};

test('the example of docs/operations.md is a good topology', () => {
  const text = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const [, example = ''] = /```json topology\n(.*?)```/s.exec(text) ?? [];
  expect(readTopology(example)).toHaveProperty('topology');
});
