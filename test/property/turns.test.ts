/** What comes together is taken together: a turn of the loop, and services that one read of a session brought. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { derive } from '../../appliance/desired/derive.ts';
import type { Decision } from '../../appliance/registry/decision.ts';
import type { Event, ServiceRegistration } from '../../appliance/registry/events.ts';
import { conclude, reduce, take } from '../../appliance/registry/reduce.ts';
import type { ServiceRecord, State } from '../../appliance/registry/state.ts';
import { address } from '../../sdk/wire/address.ts';
import type { Service } from '../../sdk/wire/model.ts';
import { ANYTHING, check, Registry, service, sessionOf } from '../support/registry.ts';

/** All that is known of servers, services and VIPs, in an order of its own; rounds of checks are only told apart, and each turn has one. */
const plain = ({ servers, vips, leases, lost, damped, partings }: State): unknown => ({
  servers: Object.fromEntries(
    [...servers.entries()].map(([id, server]) => [id, { ...server, services: roundless(server.services) }]),
  ),
  vips: Object.fromEntries([...vips.entries()].map(([vip, services]) => [vip, roundless(services)])),
  leases: Object.fromEntries(leases.entries()),
  rest: [lost, damped, partings].map(table => [...table.keys()].sort()),
});

const roundless = <K>(services: ReadonlyMap<K, ServiceRecord>): ReadonlyMap<K, ServiceRecord> =>
  new Map([...services].map(([key, record]) => [key, { ...record, round: 0 }]));

const vips = ['10.255.0.1', '10.255.0.2', '10.255.0.3'].map(address);
const services: fc.Arbitrary<Service> = fc
  .record({
    id: fc.integer({ min: 1, max: 3 }),
    vip: fc.constantFrom(...vips),
    name: fc.constantFrom('www.mission', 'mcu.mission'),
    transport: fc.constantFrom('tcp' as const, 'udp' as const),
    ports: fc.constantFrom(
      [{ first: 80, last: 80 }],
      [{ first: 80, last: 90 }],
      [{ first: 443, last: 443 }],
      [
        { first: 80, last: 80 },
        { first: 443, last: 443 },
      ],
    ),
    mode: fc.constantFrom('nat' as const, 'direct' as const, 'none' as const, 'tunnel' as const),
    checked: fc.boolean(),
  })
  .map(({ vip, mode, checked, ...rest }) =>
    service(vip, {
      ...rest,
      check: check({ kind: checked ? 'tcp' : 'none' }),
      forward: { mode, scheduler: 'wrr', affinity: 0 },
    }),
  );

/** Two servers with leases of two of the three VIPs, which they share. */
function registry(): Registry {
  const made = new Registry({ limits: { servers: 10, servicesPerServer: 2, leasesPerServer: 16 } });
  for (const number of [1, 2]) {
    made.register(number);
    for (const vip of vips.slice(0, 2))
      made.say(number, { type: 'lease-request', family: 4, shared: true, service: 'x.mission', vip });
  }
  return made;
}

/** Which of several that it is in conflict with a refusal names goes by their order in a table, and means nothing. */
const withoutName = (decision: Decision): unknown =>
  JSON.parse(JSON.stringify(decision), (_, value) =>
    value?.code === 'conflict' ? { ...value, sentence: 'in conflict' } : value,
  );

test('services that came together are taken up, or refused, as one after the other', () => {
  const groups = fc.array(
    fc.tuple(fc.constantFrom(1, 2), fc.array(services, { minLength: 1, maxLength: 4 })),
    {
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(groups, list => {
      const made = registry();
      let [one, together] = [made.state, made.state];
      let transaction = 100;
      for (const [number, specs] of list) {
        const messages = specs.map(
          (spec): ServiceRegistration => ({
            type: 'register-service',
            transaction: ++transaction,
            service: spec,
          }),
        );
        const about = { session: sessionOf(number), claims: ANYTHING, peer: address('10.1.0.1') };
        const singly = messages.flatMap(message => {
          const step = take(one, made.config, { ...about, type: 'message', message }, 5);
          one = step.state;
          return step.decisions;
        });
        const step = take(together, made.config, { ...about, type: 'services', messages }, 5);
        together = step.state;
        expect(step.decisions.map(withoutName)).toEqual(singly.map(withoutName));
        expect(plain(together)).toEqual(plain(one));
      }
    }),
    { numRuns: 300 },
  );
});

test('services of a session that never registered are refused one by one', () => {
  const made = registry();
  const messages = [7, 8].map(
    (transaction): ServiceRegistration => ({
      type: 'register-service',
      transaction,
      service: service(vips[0]!),
    }),
  );
  const step = take(
    made.state,
    made.config,
    { type: 'services', session: sessionOf(9), claims: ANYTHING, messages },
    0,
  );
  expect(step.state).toBe(made.state);
  expect(step.decisions.map(({ reply }) => reply?.message)).toMatchObject([
    { type: 'refused', code: 'not-registered', transaction: 7 },
    { type: 'refused', code: 'not-registered', transaction: 8 },
  ]);
});

const server = fc.integer({ min: 1, max: 3 });
type Make = (registry: Registry) => Event;
const says =
  (number: number, message: object): Make =>
  () => ({
    type: 'message',
    session: sessionOf(number),
    claims: ANYTHING,
    peer: address(`10.1.0.${number}`),
    message: { transaction: 1, ...message } as never,
  });
const events: fc.Arbitrary<Make> = fc.oneof(
  fc
    .tuple(server, services)
    .map(([number, spec]) => says(number, { type: 'register-service', service: spec })),
  server.map(number => says(number, { type: 'drain-service', service: 1 })),
  server.map(number => says(number, { type: 'withdraw-service', service: 2 })),
  server.map(number => says(number, { type: 'deregister' })),
  fc
    .tuple(server, fc.constantFrom('up', 'down', 'draining'))
    .map(([number, state]) =>
      says(number, { type: 'report', reports: [{ service: 1, state, connections: 0, load: 0 }] }),
    ),
  fc.tuple(server, fc.integer({ min: 1, max: 3 }), fc.constantFrom('pass' as const, 'fail' as const)).map(
    ([number, id, outcome]): Make =>
      ({ state }) => ({
        type: 'verdict',
        service:
          [...state.vips.entries()].flatMap(([, records]) => [...records.keys()])[id] ?? ('none/1' as never),
        outcome,
        reason: { code: outcome, sentence: `${number}` },
      }),
  ),
  server.map(
    (number): Make =>
      () => ({
        type: 'session-ended',
        session: sessionOf(number),
        reason: { code: 'closed', sentence: 'closed' },
      }),
  ),
);

test('what follows from a turn leaves nothing undone: concluding again, or one by one, finds nothing more', () => {
  fc.assert(
    fc.property(fc.array(fc.array(events, { maxLength: 5 }), { maxLength: 8 }), turns => {
      const made = registry();
      for (const turn of turns) {
        const before = made.state;
        for (const event of turn) made.state = take(made.state, made.config, event(made), ++made.now).state;
        const step = conclude(before, made.state);
        made.state = step.state;
        made.derived = derive(made.state, { metric: () => 20 }, made.derived);
        const nothing = conclude({ ...made.state, vips: before.vips }, made.state);
        expect(nothing.decisions).toEqual([]);
        expect(plain(nothing.state)).toEqual(plain(made.state));
        made.settle();
      }
      // Nobody waits to be told, and no withdrawn service is left behind, after the drivers have reached everything.
      for (const [, records] of made.state.vips.entries())
        for (const record of records.values()) {
          expect(record.intent).not.toBe('withdraw');
          if (made.state.servers.get(record.server)?.session !== undefined)
            expect(record.told).toBe(record.state);
        }
      expect(reduce(made.state, made.config, { type: 'tick' }, made.now).decisions).toEqual([]);
    }),
    { numRuns: 200 },
  );
});
