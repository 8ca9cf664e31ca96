import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compact, sameService } from '../../appliance/registry/compact.ts';
import type { ServiceRecord } from '../../appliance/registry/state.ts';
import { address } from '../../sdk/wire/address.ts';
import type { Service } from '../../sdk/wire/model.ts';
import { check, service } from '../support/registry.ts';

const bytes = fc.uint8Array({ maxLength: 2 });
const port = fc.integer({ min: 1, max: 3 });
const services: fc.Arbitrary<Service> = fc
  .record({
    id: fc.integer({ min: 1, max: 2 }),
    name: fc.constantFrom('a.mission', 'b.mission'),
    transport: fc.constantFrom('tcp', 'udp'),
    ports: fc.array(
      port.map(first => ({ first, last: first })),
      { minLength: 1, maxLength: 2 },
    ),
    targetPort: fc.integer({ min: 0, max: 1 }),
    protocol: fc.constantFrom('http', 'dns'),
    weight: fc.integer({ min: 1, max: 2 }),
    capacity: fc.integer({ min: 0, max: 1 }),
    check: fc
      .record({
        kind: fc.constantFrom('none', 'tcp'),
        port: fc.integer({ min: 0, max: 1 }),
        interval: fc.constantFrom(100, 1000),
        timeout: fc.constantFrom(50, 500),
        rise: port,
        fall: port,
        target: fc.constantFrom('', '/'),
        expectText: fc.constantFrom('', 'ok'),
        expectStatus: fc.constantFrom([0, 0], [200, 299], [200, 204]),
        send: bytes,
        expect: bytes,
      })
      .map(changes => check(changes as never)),
    forward: fc.record({
      mode: fc.constantFrom('nat', 'direct'),
      scheduler: fc.constantFrom('wrr', 'source-hash'),
      affinity: fc.integer({ min: 0, max: 1 }),
    }),
  })
  .map(changes => service(address('10.255.0.1'), changes as never));

const records = (specs: readonly Service[]): ServiceRecord[] =>
  specs.map(spec => ({ spec }) as ServiceRecord);

test('a service is kept as it was said, whatever its neighbours', () => {
  fc.assert(
    fc.property(services, fc.array(services, { maxLength: 6 }), (spec, neighbours) => {
      expect(compact(spec, records(neighbours))).toEqual(spec);
    }),
  );
});

test('two services are the same exactly when nothing of them differs, in whatever order it was read', () => {
  fc.assert(
    fc.property(services, services, (one, other) => {
      const text = (spec: Service): string => JSON.stringify(spec);
      expect(sameService(one, other)).toBe(text(one) === text(other));
      const backwards = Object.fromEntries(Object.entries(one).reverse()) as unknown as Service;
      expect(sameService(one, backwards)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('what two services have in common is kept once', () => {
  const first = service(address('10.255.0.1'));
  const second = compact(service(address('10.255.0.1'), { id: 2 }), records([first]));
  expect(second.check).toBe(first.check);
  expect(second.ports).toBe(first.ports);
  expect(second.forward).not.toBe(service(address('10.255.0.1')).forward);
  expect(second.forward).toBe(first.forward);
});
