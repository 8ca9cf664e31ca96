/** What others flood is kept while it stands, and who floods it is known by OSPF's word. */
import { expect, test } from 'vitest';
import { Flood } from '../../../appliance/flooding/flood.ts';
import { VirtualOspf } from '../../support/virtual/ospfd.ts';
import { virtualWorld } from '../../support/virtual.ts';

async function pair() {
  const world = virtualWorld();
  const ospf = new VirtualOspf();
  const said: string[] = [];
  const open = async (name: string, at: string) => {
    const router = await ospf.router(world.network.host(name, at)).start();
    const flood = new Flood({
      ...{
        clock: world.clock,
        random: world.random,
        log: world.log,
        net: router.net,
        openVty: router.openVty,
      },
      config: { port: 2607, opaqueType: 187, sockets: '/run/frr' },
      ...{ speaks: true, count: () => {}, onUp: () => {}, onDown: () => said.push(`${name} down`) },
      onMessage(data) {
        said.push(`${name} hears ${new TextDecoder().decode(data)}`);
        return 'somebody';
      },
      onReach: (speaker, reachable) => said.push(`${name} ${reachable ? 'finds' : 'loses'} ${speaker}`),
    });
    await world.clock.advance(50);
    return { router, flood };
  };
  const [a, b] = [await open('a', '10.0.0.1'), await open('b', '10.0.0.2')];
  return { world, a, b, said };
}

test('a message is kept until it is taken back, or ospfd ends', async () => {
  const { world, a, b, said } = await pair();
  const id = a.flood.put(new TextEncoder().encode('one.'));
  a.flood.put(new TextEncoder().encode('two.'));
  await world.clock.advance(10);
  expect(b.flood.size).toBe(2);
  expect(a.flood.size).toBe(0);
  a.flood.remove(id);
  await world.clock.advance(10);
  expect(b.flood.saidBy('somebody')).toHaveLength(1);
  b.router.reach(a.router, false);
  b.router.reach(a.router, true);
  await world.clock.advance(10);
  b.router.crash();
  await world.clock.advance(10);
  expect(b.flood.size).toBe(0);
  expect(b.flood.problem).toBeDefined();
  expect(said).toEqual(['b hears one.', 'b hears two.', 'b loses somebody', 'b finds somebody', 'b down']);
});

test('one that replaces another stands in its place', async () => {
  const { world, a, b } = await pair();
  const id = a.flood.put(new TextEncoder().encode('one.'));
  a.flood.replace(id, new TextEncoder().encode('two.'));
  await world.clock.advance(10);
  expect(b.flood.saidBy('somebody').map(({ data }) => new TextDecoder().decode(data))).toEqual(['two.']);
});
