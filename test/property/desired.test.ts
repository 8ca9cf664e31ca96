import fc from 'fast-check';
import { expect, test } from 'vitest';
import { derive } from '../../appliance/desired/derive.ts';
import type { CheckTarget, Wanted } from '../../appliance/desired/wanted.ts';
import { sameCheck } from '../../appliance/registry/same-check.ts';
import type { ServiceKey } from '../../appliance/registry/state.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import { Registry } from '../support/registry.ts';

type Action = (registry: Registry) => void;

const server = fc.integer({ min: 1, max: 4 });
const names = fc.constantFrom('www.mission', 'mcu.mission');
const actions: fc.Arbitrary<Action> = fc.oneof(
  fc.tuple(server, names).map(([n, name]): Action => {
    return r => {
      r.serve(n, { name });
      r.verdict(n, 'pass');
      r.settle();
    };
  }),
  fc.tuple(server, names).map(
    ([n, name]): Action =>
      r =>
        void r.serve(n, { name }),
  ),
  server.map(
    (n): Action =>
      r =>
        void r.verdict(n, 'pass'),
  ),
  server.map(
    (n): Action =>
      r =>
        void r.verdict(n, 'fail'),
  ),
  server.map(
    (n): Action =>
      r =>
        void r.end(n),
  ),
  server.map(
    (n): Action =>
      r =>
        void r.say(n, { type: 'drain-service', service: 1 }),
  ),
  server.map(
    (n): Action =>
      r =>
        void r.say(n, { type: 'withdraw-service', service: 1 }),
  ),
  server.map(
    (n): Action =>
      r =>
        void r.say(n, { type: 'deregister' }),
  ),
  fc.tuple(server, fc.constantFrom('up', 'down', 'draining'), fc.integer({ min: 0, max: 3 })).map(
    ([n, state, connections]): Action =>
      r =>
        void r.say(n, { type: 'report', reports: [{ service: 1, state, connections, load: 0 }] } as never),
  ),
  server.map(
    (n): Action =>
      r =>
        void r.register(n),
  ),
  fc.constant<Action>(r => void r.reachFarms()),
  fc.constant<Action>(r => void r.reachRoutes()),
  fc.integer({ min: 1, max: 5000 }).map(
    (ms): Action =>
      r =>
        void r.feed({ type: 'tick' }, ms),
  ),
);

/** Tables as plain objects, in an order of their own. */
const plain = (wanted: Wanted): unknown => ({
  checks: Object.fromEntries(wanted.checks.entries()),
  farms: Object.fromEntries(wanted.dataplane.farms.entries()),
  vips: [...wanted.dataplane.vips.keys()].sort(),
  routes: Object.fromEntries(wanted.routing.routes.entries()),
  byVip: Object.fromEntries(wanted.directory.byVip.entries()),
  byName: Object.fromEntries(wanted.directory.byName.entries()),
  arp: [...wanted.arp.vips.keys()].sort(),
  bindings: Object.fromEntries(wanted.notices.bindings.entries()),
  offers: [...wanted.notices.offers.keys()].sort(),
});

test('derive from what it derived last gives the same as from scratch', () => {
  fc.assert(
    fc.property(fc.array(actions, { maxLength: 40 }), list => {
      const registry = new Registry({
        damping: { suppress: 2500, reuse: 1000, halfLife: 1000, ceiling: 12_000 },
        leaseDuration: 20,
      });
      for (const action of list) {
        action(registry);
        expect(plain(registry.derived.wanted)).toEqual(
          plain(derive(registry.state, { metric: () => 20, announce: true }).wanted),
        );
      }
    }),
    { numRuns: 150 },
  );
});

test('what may be late follows as if it never had been; farms and routes never are', () => {
  const config = { metric: () => 20, announce: true };
  fc.assert(
    fc.property(fc.array(fc.tuple(actions, fc.boolean()), { maxLength: 40 }), list => {
      const registry = new Registry();
      let derived = derive(registry.state, config);
      for (const [action, late] of list) {
        action(registry);
        const before = derived.wanted;
        derived = derive(registry.state, config, derived, { late });
        const whole = derive(registry.state, config).wanted;
        const { checks, directory, arp } = late ? before : whole;
        expect(plain(derived.wanted)).toEqual(plain({ ...whole, checks, directory, arp }));
      }
    }),
    { numRuns: 150 },
  );
});

test('a verdict that is open again is looked for anew, however much happened between two hand-outs', () => {
  const config = { metric: () => 20, announce: true };
  fc.assert(
    fc.property(fc.array(fc.tuple(actions, fc.boolean()), { minLength: 30, maxLength: 60 }), list => {
      const registry = new Registry();
      let derived = derive(registry.state, config);
      /** Checks that have found something: they tell nothing more until it changes. */
      const settled = new Map<ServiceKey, CheckTarget>();
      for (const [action, handsOut] of list) {
        action(registry);
        for (const [key, target] of derived.wanted.checks.entries())
          if (registry.verdicts.has(key)) settled.set(key, target);
        registry.verdicts.clear();
        if (!handsOut) continue;
        derived = derive(registry.state, config, derived);
        for (const [key, target] of derived.wanted.checks.entries()) {
          const [server, id] = key.split('/');
          const record = registry.state.servers.get(server as ServerId)?.services.get(Number(id));
          const before = settled.get(key);
          if (before === undefined || record?.verdict.outcome !== 'unknown') continue;
          expect(before.round === target.round && sameCheck(before, target), key).toBe(false);
          settled.delete(key);
        }
      }
    }),
    { numRuns: 150 },
  );
});

test('never a new route to what the data plane does not carry, and never a hole while a withdrawn route is still out', () => {
  fc.assert(
    fc.property(fc.array(actions, { maxLength: 40 }), list => {
      const registry = new Registry();
      for (const action of list) {
        const before = registry.derived.wanted;
        action(registry);
        const { wanted } = registry.derived;
        const { reached } = registry.state;
        for (const vip of wanted.routing.routes.keys()) {
          const carried = [...wanted.dataplane.farms.values()].some(
            farm =>
              farm.vip === vip &&
              farm.members.some(member => member.accepts) &&
              (reached.farms.get(farm.key) ?? 0) > 0,
          );
          expect(carried, `route to ${vip}`).toBe(true);
        }
        for (const farm of before.dataplane.farms.values()) {
          const services = [...(registry.state.vips.get(farm.vip)?.values() ?? [])];
          const alive = services.some(record => record.state === 'draining');
          const hole =
            alive &&
            reached.routes.has(farm.vip) &&
            !wanted.dataplane.farms.has(farm.key) &&
            services.every(record => record.state !== 'up');
          expect(hole, `hole at ${farm.key}`).toBe(false);
        }
      }
    }),
    { numRuns: 150 },
  );
});

test('a VIP is held by one server alone, or shared by all who hold it', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(server, fc.boolean(), fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined })),
        { maxLength: 30 },
      ),
      list => {
        const registry = new Registry({ pools: [{ family: 4, first: 0x0aff0000n, last: 0x0aff0003n }] });
        for (const [number, shared, wish] of list) {
          registry.register(number);
          registry.say(number, {
            type: 'lease-request',
            family: 4,
            shared,
            service: shared ? 'web' : `own${number}`,
            ...(wish !== undefined && { vip: `10.255.0.${wish}` as never }),
          });
        }
        for (const holders of registry.state.leases.values()) {
          const records = [...holders.values()];
          expect(records.length === 1 || records.every(record => record.lease.shared)).toBe(true);
        }
      },
    ),
  );
});
