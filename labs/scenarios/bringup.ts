/** The steps that every scenario begins with: the routers find each other. */
import { poll } from '../scenario/poll.ts';
import type { Stage } from '../scenario/scenario.ts';
import { bfdSessions, fullNeighbors, routersOf, wantedNeighbors } from './ospf.ts';

/** Routing is started where the node was held; then OSPF and BFD are waited for. */
export async function bringUpRouting({ lab, node, step }: Stage, held: readonly string[]): Promise<void> {
  const routers = routersOf(lab.topology);
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0) / 2;

  await step('OSPF is up between all routers', async () => {
    await Promise.all(held.map(name => node(name).must(['/lab/start.sh', 'routing'])));
    const counts = await Promise.all(
      routers.map(name =>
        poll(`all neighbours of ${name} are full`, async () => {
          const full = await fullNeighbors(node(name));
          return full === wantedNeighbors(lab.topology, name) && full;
        }),
      ),
    );
    return { adjacencies: total(counts) };
  });

  await step('BFD watches every link between routers', async () => {
    const counts = await Promise.all(
      routers.map(name =>
        poll(`all BFD sessions of ${name} are up`, async () => {
          const up = await bfdSessions(node(name));
          return up === wantedNeighbors(lab.topology, name) && up;
        }),
      ),
    );
    return { sessions: total(counts) };
  });
}
