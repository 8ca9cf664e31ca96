/**
 * The floors beneath roaming, each measured alone in the same lab and the same run: a DHCP exchange, a route that comes or goes with FRR
 * alone, a handshake of TCP and TLS, a multicast datagram.
 */
import { type Cell, cableOf } from '../roaming/cables.ts';
import { Monitor, wallClock } from '../roaming/monitor.ts';
import type { Lab } from '../runner/lab.ts';
import { poll } from '../scenario/poll.ts';

/** Nobody else's; `internal` routing has the same form. */
const ROUTE = '10.255.9.9';
const HOST = 'm-mcu';

/** From the carrier to an address, for a host that does nothing else, in cells a and b in turn: ms. */
export async function dhcpAlone(lab: Lab, runs: number): Promise<number[]> {
  const host = lab.node(HOST);
  await host.must([
    'sh',
    '-c',
    'install -d /var/lib/dhcpcd; dhcpcd --config /lab/dhcpcd.conf --background --quiet',
  ]);
  const kernel = await Monitor.ofKernel(host, 'link', 'address');
  const cable = cableOf(lab, HOST);
  const times: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const cell: Cell = run % 2 === 0 ? 'a' : 'b';
    const since = wallClock();
    await cable.plug(cell);
    const link = await kernel.until('the carrier', /[<,]LOWER_UP[,>]/, since);
    const address = await kernel.until('an address', /^\d+: eth1 +inet 10\./, since);
    // The first time its daemons are just starting.
    if (run > 0) times.push(address.at - link.at);
    await new Promise(resolve => setTimeout(resolve, 300));
  }
  await Promise.all([kernel.stop(), host.must(['dhcpcd', '--exit'])]);
  await cable.unplug();
  return times;
}

export interface RouteTimes {
  /** From the address on the appliance's loopback interface to the route in the kernel of headquarters, ms. */
  readonly there: readonly number[];
  /** From its end there to that of the route in the kernel of the next router, ms. */
  readonly gone: readonly number[];
}

export async function frrAlone(lab: Lab, runs: number): Promise<RouteTimes> {
  const appliance = lab.node('b-appliance');
  const [own, near, far] = await Promise.all([
    Monitor.ofKernel(appliance, 'address'),
    Monitor.ofKernel(lab.node('core2'), 'route'),
    Monitor.ofKernel(lab.node('hq'), 'route'),
  ]);
  const there: number[] = [];
  const gone: number[] = [];
  const route = new RegExp(`^${ROUTE} `);
  for (let run = 0; run < runs; run++) {
    let since = wallClock();
    await appliance.must(['ip', 'address', 'add', `${ROUTE}/32`, 'dev', 'lo']);
    const came = await own.until('the address', new RegExp(`inet ${ROUTE}/`), since);
    there.push((await far.until('the route', route, since)).at - came.at);
    await new Promise(resolve => setTimeout(resolve, 100));
    since = wallClock();
    await appliance.must(['ip', 'address', 'del', `${ROUTE}/32`, 'dev', 'lo']);
    const went = await own.until("the address's end", new RegExp(`^Deleted .*inet ${ROUTE}/`), since);
    gone.push((await near.until("the route's end", new RegExp(`^Deleted ${ROUTE} `), since)).at - went.at);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  await Promise.all([own, near, far].map(monitor => monitor.stop()));
  return { there, gone };
}

/** From a host of cell b to its appliance, ms; `apps`: where the programs are. */
export async function handshakeAlone(lab: Lab, apps: string, runs: number): Promise<number[]> {
  const program = `${apps}/handshake.mjs`;
  const appliance = lab.node('b-appliance');
  const server = appliance.spawn(['node', program, '--name', 'b-appliance', '--listen', '9999']);
  await server.line();
  // The first ones compile the code.
  const words = ['--name', HOST, '--to', '10.2.0.1:9999', '--count', String(runs + 5)];
  const host = lab.node(HOST);
  await cableOf(lab, HOST).plug('b');
  await host.must(['ip', 'address', 'add', '10.2.0.99/24', 'dev', 'eth1']);
  const said = await host.must(['node', program, ...words], { timeout: 60_000 });
  await host.must(['ip', 'address', 'del', '10.2.0.99/24', 'dev', 'eth1']);
  await server.stop('SIGKILL');
  const times = said
    .trim()
    .split('\n')
    .map(line => (JSON.parse(line) as { readonly ms: number }).ms);
  return times.slice(5);
}

interface Datagram {
  readonly event: string;
  readonly text: string;
  /** Wall clock, ms. */
  readonly at: number;
}

/** From the appliance of cell b to that of cell a, ms. */
export async function multicastAlone(lab: Lab, apps: string, runs: number): Promise<number[]> {
  const program = `${apps}/multicast.mjs`;
  const receiver = lab.node('a-appliance').spawn(['node', program, '--at', '10.0.255.7']);
  await receiver.line();
  // Until the routers have made the tree, datagrams are lost.
  const sender = lab
    .node('b-appliance')
    .spawn(['node', program, '--at', '10.0.255.9', '--count', String(runs + 200)]);
  const linesOf = (text: string): Datagram[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as Datagram);
  const heard = (): Datagram[] => linesOf(receiver.stdout).filter(({ event }) => event === 'heard');
  await poll('multicast between the cells', () => heard().length >= runs + 5, { timeout: 30_000 });
  const [{ stdout: sent }] = await Promise.all([sender.stop('SIGKILL'), receiver.stop('SIGKILL')]);
  const left = new Map(linesOf(sent).map(({ text, at }) => [text, at]));
  return heard()
    .slice(5, runs + 5)
    .map(({ text, at }) => at - left.get(text)!);
}
