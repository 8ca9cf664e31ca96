/** A client that asks a GSLB: it is named managers, asks these in their order, and falls back. */
import { expect, test } from 'vitest';
import { Resolver } from '../../../sdk/client/resolver.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { AnsweredManager } from '../../../sdk/wire/model.ts';
import { answerTo, anycastManager, MANAGER_ID, server, World } from './world.ts';

const named = (...addresses: string[]): AnsweredManager => ({
  ...{ manager: MANAGER_ID, name: 'edge', anycastPort: 9747, vips: [address('10.99.0.1')], score: 500 },
  addresses: addresses.map(address),
});

async function scene(list: readonly AnsweredManager[]) {
  const world = new World();
  const gslb = world.network.host('gslb', '10.0.0.3');
  await anycastManager(gslb, query => [answerTo(query, [], { managers: { list } })]);
  const resolver = new Resolver({ environment: world.environment(), timeout: 100, retries: 0 });
  const ask = () => world.clock.runToEnd(resolver.query('mcu.example.org', { via: '10.0.0.3' }));
  return { world, resolver, ask };
}

test('the manager that was named first is asked the same, and its servers are the answer', async () => {
  const { world, ask } = await scene([named('10.0.0.1')]);
  const queries = await anycastManager(world.manager, query => [answerTo(query, [server('10.0.0.21', 900)])]);
  const answer = await ask();
  expect([answer.from, answer.servers[0]!.address]).toEqual(['10.0.0.1', '10.0.0.21']);
  expect(queries[0]!.name).toBe('mcu.example.org');
});

test('one that does not answer, or has none, is followed by the next', async () => {
  const { world, ask } = await scene([named('10.0.0.77', '10.0.0.78'), named('10.0.0.2'), named('10.0.0.1')]);
  const empty = world.network.host('empty', '10.0.0.2');
  await anycastManager(empty, query => [answerTo(query, [])]);
  await anycastManager(world.manager, query => [answerTo(query, [server('10.0.0.21', 900)])]);
  expect((await ask()).from).toBe('10.0.0.1');
});

test('nobody has any: an answer without servers; managers that name managers are not followed', async () => {
  const { world, ask } = await scene([named('10.0.0.1')]);
  const queries = await anycastManager(world.manager, query => [
    answerTo(query, [], { managers: { list: [named('10.0.0.1')] } }),
  ]);
  const answer = await ask();
  expect(answer.servers).toEqual([]);
  expect(queries).toHaveLength(1);
});

test('a GSLB that is silent: what DNS has of the name is asked', async () => {
  const world = new World();
  world.network.host('gslb', '10.0.0.3');
  world.names.set('mcu.example.org', [address('10.0.0.1')]);
  await anycastManager(world.manager, query => [answerTo(query, [server('10.0.0.21', 900)])]);
  const resolver = new Resolver({ environment: world.environment(), timeout: 100, retries: 0 });
  const answer = await world.clock.runToEnd(resolver.query('mcu.example.org', { via: '10.0.0.3' }));
  expect(answer.from).toBe('10.0.0.1');
});

test('pick does both steps', async () => {
  const { world, resolver } = await scene([named('10.0.0.1')]);
  await anycastManager(world.manager, query => [answerTo(query, [server('10.0.0.21', 900)])]);
  const picked = await world.clock.runToEnd(
    resolver.pick('mcu.example.org', { via: '10.0.0.3', connect: false }),
  );
  expect([picked.address, picked.port]).toEqual(['10.0.0.21', 1720]);
});
