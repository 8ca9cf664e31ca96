/** The network alone, without Bivouac: OSPF everywhere, every host reaches every other, and it heals around a dead link. */
import { poll, timed } from '../scenario/poll.ts';
import { check, type Scenario } from '../scenario/scenario.ts';
import { bringUpRouting } from './bringup.ts';
import { cut } from './cut.ts';
import { interfaceTo, ospfRoutes, routersOf } from './ospf.ts';

export const network: Scenario = {
  summary: 'OSPF everywhere, every cell reachable, a dead link gone round',
  // No manager and no agent: their nodes are booted as plain routers and hosts.
  hold: node => ['appliance', 'server', 'mobile'].includes(node.group),
  async run(stage) {
    const { lab, node, step } = stage;
    const routers = routersOf(lab.topology);
    await bringUpRouting(
      stage,
      routers.filter(name => name.endsWith('-appliance')),
    );

    await step('every router knows every cell', async () => {
      const cells = ['10.0.0.0/24', '10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24'];
      const counts = await Promise.all(
        routers.map(name =>
          poll(`${name} has routes to all other networks`, async () => {
            const known = await ospfRoutes(node(name));
            // Its own networks are connected, not learnt.
            return cells.filter(cell => known.includes(cell)).length >= 3 && known.length;
          }),
        ),
      );
      return { 'routes at most': Math.max(...counts) };
    });

    await step('a client at headquarters reaches a server of each cell', async () => {
      const targets = { a: '10.1.0.11', b: '10.2.0.11', c: '10.3.0.11' };
      const times = await Promise.all(
        Object.entries(targets).map(async ([cell, address]) => {
          const out = await node('hq-client1').must(['ping', '-c', '3', '-i', '0.05', '-W', '1', address]);
          return [`${cell} ms`, Number(/= [\d.]+\/([\d.]+)/.exec(out)?.[1])] as const;
        }),
      );
      return Object.fromEntries(times);
    });

    await step('the link hq–core1 dies silently: traffic takes the spare link', async () => {
      const watch = node('hq-client1').spawn(['ping', '-i', '0.01', '-W', '1', '-D', '10.1.0.11']);
      await watch.line();
      await poll('ping runs', () => watch.stdout.split('\n').length > 20);
      // hq keeps its carrier: only BFD can tell that nothing comes through any more.
      await cut(node('core1'), interfaceTo(lab.topology, 'core1', 'hq'));
      const { ms } = await timed(() =>
        poll('hq reaches cell a by core2', async () => {
          const route = await node('hq').must(['ip', 'route', 'get', '10.1.0.11']);
          return route.includes('via 10.0.255.3');
        }),
      );
      await poll('pings come back again', () => lastGap(watch.stdout).since > 10);
      const { stdout } = await watch.stop('SIGINT');
      const { longest } = lastGap(stdout);
      check(longest < 2000, `the path was broken for ${longest.toFixed(0)} ms`);
      return { 'rerouted after ms': ms, 'longest gap ms': longest };
    });
  },
};

/** From ping's -D stamps: the longest time between two answers (ms), and how many came after it. */
function lastGap(output: string): { readonly longest: number; readonly since: number } {
  const stamps = [...output.matchAll(/^\[(\d+\.\d+)\] \d+ bytes/gm)].map(match => Number(match[1]) * 1000);
  let longest = 0;
  let at = 0;
  stamps.forEach((stamp, index) => {
    const gap = stamp - (stamps[index - 1] ?? stamp);
    if (gap > longest) [longest, at] = [gap, index];
  });
  return { longest, since: longest > 40 ? stamps.length - at : 0 };
}
