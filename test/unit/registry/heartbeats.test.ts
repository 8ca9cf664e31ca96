import { expect, test } from 'vitest';
import { address } from '../../../sdk/wire/address.ts';
import { ANYTHING, Registry, serverId, sessionOf } from '../../support/registry.ts';

/** The interval that server `number` is given when it wishes for `wish` ms (0: the default). */
function interval(registry: Registry, number: number, wish = 0): number {
  const peer = address('10.1.0.1');
  const [decision] = registry.feed({
    ...{ type: 'message', session: sessionOf(number), claims: ANYTHING, peer },
    message: {
      ...{ type: 'register', transaction: 1, versions: [1, 1], server: serverId(number), name: `s${number}` },
      ...{ addresses: [peer], epoch: 1, heartbeat: wish, leases: [], software: 't' },
    },
  });
  const message = decision?.reply?.message;
  return message?.type === 'registered' ? message.heartbeat : Number.NaN;
}

test('a server gets the interval that it wishes, within the bounds, or the default', () => {
  const registry = new Registry();
  expect(interval(registry, 1)).toBe(100);
  expect(interval(registry, 2, 250)).toBe(250);
  expect(interval(registry, 3, 10)).toBe(10);
});

test('a crowd beats slower: 20,000 heartbeats a second at the most, in whatever order servers came', () => {
  const registry = new Registry({ limits: { servers: 5000, servicesPerServer: 1, leasesPerServer: 1 } });
  let rate = 0;
  for (let number = 1; number <= 3000; number++) rate += 1000 / interval(registry, number);
  expect(interval(registry, 3001, 50)).toBe(601);
  expect(interval(registry, 3002, 5000)).toBe(5000);
  expect(rate).toBeLessThan(20_000);
  expect(rate).toBeGreaterThan(5000);
});
