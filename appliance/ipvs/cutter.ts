/**
 * What is done about the TCP connections of destinations that go: their clients are made to say something, now rather than at their next
 * word, and what they say is reset (dataplane/syn.ts): by the kernel, or by the server that it is given to.
 */
import { addressBytes } from '../../sdk/wire/address.ts';
import type { ProbeSocket } from '../dataplane/kernel-flows.ts';
import { synTo } from '../dataplane/syn.ts';
import type { Clock, Log, Timer } from '../host/ports.ts';
import { destinationOf, type IpvsConnection, readConnection } from './connections.ts';
import type { Departure } from './plan.ts';
import type { ReadConnections } from './socket.ts';

/**
 * ms. With the answer to the first probe IPVS forgets the connection, and drops that; the next is the one that is reset. Linux answers at most one in
 * 500 ms on a connection (dataplane/cutter.ts), and a timer of a busy event loop may have begun to run before the first was sent: hence a third.
 */
const AGAIN = [600, 1300];

export class Cutter {
  private readonly read: ReadConnections;
  private readonly sender: ProbeSocket;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly timers = new Set<Timer>();

  constructor(parts: {
    readonly read: ReadConnections;
    readonly sender: ProbeSocket;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.read = parts.read;
    this.sender = parts.sender;
    this.clock = parts.clock;
    this.log = parts.log;
  }

  /** The TCP connections that destinations have which are about to go. To be asked while they are still there. */
  async doomed(departures: readonly Departure[]): Promise<readonly IpvsConnection[]> {
    const names = new Set(
      departures
        .filter(({ service }) => service.transport === 'tcp')
        .map(({ service, destination }) => `${service.name} ${destination.address}|${destination.port}`),
    );
    const found: IpvsConnection[] = [];
    if (names.size === 0) return found;
    await this.read(line => {
      const connection = readConnection(line);
      if (connection?.transport === 'tcp' && names.has(destinationOf(connection))) found.push(connection);
    });
    return found;
  }

  /** Asks their clients, and twice more. `dead`: whether a connection's destination is still gone. */
  cut(connections: readonly IpvsConnection[], dead: (connection: IpvsConnection) => boolean): void {
    if (connections.length === 0) return;
    this.log('info', 'dataplane-cut', { flows: connections.length });
    this.probe(connections);
    for (const delay of AGAIN) {
      const timer = this.clock.after('ipvs-probe-again', delay, () => {
        this.timers.delete(timer);
        this.probe(connections.filter(dead));
      });
      this.timers.add(timer);
    }
  }

  close(): void {
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
    this.sender.close();
  }

  private probe(connections: readonly IpvsConnection[]): void {
    const packets = connections.map(each => ({ packet: synTo(each), to: addressBytes(each.client) }));
    this.sender
      .send(packets)
      .catch((error: Error) => this.log('warning', 'dataplane-cut-failed', { reason: error.message }));
  }
}
