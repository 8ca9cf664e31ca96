import { expect, test } from 'vitest';
import { leasePlans, type ServiceOptions } from '../../../sdk/server/service.ts';

const planOf = (rest: Partial<ServiceOptions>) =>
  leasePlans([{ name: 'www.example.org', protocol: 'http', ports: 80, ...rest }])[0]!.services[0]!;

test.each([
  [undefined, 1000, 500],
  [5000, 5000, 500],
  [500, 500, 500],
  [100, 100, 100],
])('a check each %s ms times out after the lesser of its interval and 500 ms', (asked, interval, timeout) => {
  const check = { kind: 'tcp', ...(asked !== undefined && { interval: asked }) } as const;
  expect(planOf({ check }).check).toMatchObject({ interval, timeout });
});

test('a timeout that is said is kept', () => {
  expect(planOf({ check: { kind: 'tcp', interval: 100, timeout: 20 } }).check.timeout).toBe(20);
});

test('what is not said about forwarding is what a manager can do', () => {
  expect(planOf({}).forward).toEqual({ mode: 'nat', scheduler: 'wrr', affinity: 0 });
  expect(planOf({ transport: 'sctp' }).forward.mode).toBe('none');
  expect(planOf({ transport: 'sctp', forward: { mode: 'direct' } }).forward.mode).toBe('direct');
});
