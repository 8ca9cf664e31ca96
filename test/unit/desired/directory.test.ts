import { expect, test } from 'vitest';
import { Registry } from '../../support/registry.ts';

test('who drains is told of to nobody, as protocol.md §5.6 has it, while its farm still carries its flows', () => {
  const registry = new Registry();
  const vip = registry.serve(1);
  registry.serve(2);
  for (const server of [1, 2]) registry.verdict(server, 'pass');
  registry.settle();
  const told = () => registry.derived.wanted.directory.byVip.get(vip)?.map(({ address }) => address);
  expect(told()).toEqual(['10.1.0.1', '10.1.0.2']);
  registry.say(1, { type: 'drain-service', service: 1 });
  expect(told()).toEqual(['10.1.0.2']);
  const [farm] = registry.derived.wanted.dataplane.farms.values();
  expect(farm?.members.map(({ address, accepts }) => [address, accepts])).toEqual([
    ['10.1.0.1', false],
    ['10.1.0.2', true],
  ]);
  registry.say(2, { type: 'drain-service', service: 1 });
  expect(told()).toBeUndefined();
});
