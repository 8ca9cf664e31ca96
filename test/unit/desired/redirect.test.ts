import { expect, test } from 'vitest';
import { capabilities } from '../../../appliance/dataplane/capabilities.ts';
import type { Service } from '../../../sdk/wire/model.ts';
import { Registry } from '../../support/registry.ts';

const REDIRECT: Partial<Service> = {
  targetPort: 8080,
  forward: { mode: 'redirect', scheduler: 'wrr', affinity: 0 },
};

test('a service that is redirected goes up in order: its farm, then its route, then it is told', () => {
  const registry = new Registry({ modes: capabilities.modes });
  const vip = registry.serve(1, REDIRECT);
  registry.verdict(1, 'pass');
  const { wanted } = registry.derived;
  expect([...wanted.dataplane.farms.values()]).toMatchObject([
    { mode: 'redirect', members: [{ address: '10.1.0.1', port: 8080, accepts: true }] },
  ]);
  expect(wanted.routing.routes.has(vip)).toBe(false);
  registry.reachFarms();
  expect(registry.derived.wanted.routing.routes.has(vip)).toBe(true);
  const told = () => registry.decisions.filter(({ reason }) => reason.code === 'told-up').length;
  expect(told()).toBe(0);
  registry.reachRoutes();
  expect(told()).toBe(1);
});

test.each([
  [{ protocol: 'https' }, 'not for https on tcp'],
  [{ transport: 'udp' }, 'not for http on udp'],
  [{ ports: [{ first: 80, last: 89 }], targetPort: 0 }, 'single TCP ports'],
] as const)('%j cannot be redirected, and its server is told why', (changes, sentence) => {
  const { modes, schedulers, cannotCarry } = capabilities;
  const registry = new Registry({ modes, schedulers, cannotCarry });
  registry.serve(1, { ...REDIRECT, ...changes });
  expect(registry.decisions.at(-1)?.reason).toMatchObject({
    code: 'unsupported-mode',
    sentence: expect.stringContaining(sentence),
  });
});
