/**
 * Whatever happens to routers and managers that tell one another by OSPF alone, once it is over everybody knows what everybody carries,
 * and the database holds little more than that.
 */
import { expect, test } from 'vitest';
import { VirtualOspf, type VirtualOspfd } from '../support/virtual/ospfd.ts';
import { seededRandom, virtualWorld } from '../support/virtual.ts';
import { binding, Manager, wanted } from '../unit/notices/world.ts';

const CONFIG = {
  ...{ groups: [], interfaces: [] },
  ospf: { port: 2607, opaqueType: 187, sockets: '/run/frr', refresh: 5000 },
};
const STEPS = 40;

interface Node {
  readonly manager: Manager;
  readonly router: VirtualOspfd;
  carried: readonly number[];
  epoch: number;
  left: boolean;
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])('everybody knows everything in the end (seed %i)', async seed => {
  const world = virtualWorld({ seed });
  const random = seededRandom(seed * 7919);
  const below = (limit: number): number => Math.floor(random.uniform() * limit);
  const ospf = new VirtualOspf();
  const nodes: Node[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    const manager = new Manager(world, name, `10.0.0.${nodes.length + 1}`);
    const router = await ospf.router(manager.host).start();
    await manager.start(CONFIG, { ospf: router });
    nodes.push({ manager, router, carried: [], epoch: 1, left: false });
  }
  /** OSPF's word of who can be reached, and unicasts likewise. */
  const settle = (): void => {
    for (const one of nodes)
      for (const other of nodes) {
        if (one === other) continue;
        const apart = one.router.cut || other.router.cut;
        world.network.partition(one.manager.host, other.manager.host, apart);
        if (one.router.running) one.router.reach(other.router, !apart);
      }
    ospf.synchronize();
  };
  const announce = (node: Node, most: number): void => {
    node.epoch++;
    node.carried = Array.from({ length: 120 }, (_, at) => at).filter(() => below(120) < most);
    node.manager.announce(node.carried.map(at => binding(at, { epoch: node.epoch })));
  };
  const start = async (node: Node): Promise<void> => {
    node.manager.boot++;
    await node.manager.start(CONFIG, { ospf: node.router });
    node.left = false;
  };
  for (let step = 0; step < STEPS; step++) {
    const node = nodes[below(nodes.length)]!;
    const { manager, router } = node;
    const event = below(10);
    if (event < 5) announce(node, below(120));
    else if (event === 5) router.cut = !router.cut;
    else if (event === 6 && router.running) router.crash();
    else if (event === 7 && !router.running) await router.start();
    else if (event === 8 && !node.left) {
      manager.notices.close(below(2) === 0);
      node.left = true;
    } else if (event === 9 && node.left) await start(node);
    settle();
    await world.clock.advance(below(3) === 0 ? 20_000 : below(500));
  }
  for (const node of nodes) {
    node.router.cut = false;
    if (!node.router.running) await node.router.start();
    if (node.left) await start(node);
  }
  settle();
  await world.clock.advance(60_000);
  settle();
  await world.clock.advance(60_000);
  for (const one of nodes)
    for (const other of nodes) {
      if (one === other) continue;
      expect(one.manager.believes(other.manager)).toEqual(wanted(other.carried, other.epoch));
      expect(one.manager.silent.has(other.manager.signer.id)).toBe(false);
    }
  const said = [...nodes[0]!.router.database.values()].filter(({ flushed }) => !flushed).length;
  // A refresh each, and an image of at most 120 entries, more than 9 in a notice.
  expect(said).toBeLessThanOrEqual(nodes.length * (1 + Math.ceil(120 / 9)));
});
