/**
 * Host routes of direct servers, each through the server itself, in a table of the driver's own. The kernel drops them when their link goes
 * down or loses its address, silently, so they are put in again whenever a link or an address has changed.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Clock, Timer } from '../host/ports.ts';
import { hostRoute, markRule } from './route-messages.ts';

/** rtnetlink, as far as routes need it (host/rtnetlink.ts). */
export interface RouteSocket {
  /** Sends a request; gives the errno that the kernel answers with, 0 when done. */
  request(message: Uint8Array): Promise<number>;
  /** Whether any link or address has changed since it was last asked. */
  changed(): boolean;
  close(): void;
}

const LOOK: number = 250;
const EEXIST = 17;

export class Routes {
  private readonly socket: RouteSocket;
  private readonly clock: Clock;
  /** Servers, and whether the kernel took their route. */
  private readonly servers = new Map<Address, boolean>();
  private timer: Timer | undefined;

  constructor(socket: RouteSocket, clock: Clock) {
    this.socket = socket;
    this.clock = clock;
  }

  /** Puts the rule in, and the routes of the servers that an earlier daemon left. */
  async start(servers: readonly Address[]): Promise<void> {
    const errno = await this.socket.request(markRule(true));
    this.ruled = errno === 0 || errno === EEXIST;
    for (const server of servers) await this.add(server);
    this.watch();
  }

  private ruled = true;

  async add(server: Address): Promise<void> {
    this.servers.set(server, (await this.socket.request(hostRoute(server, true))) === 0);
  }

  async remove(server: Address): Promise<void> {
    this.servers.delete(server);
    await this.socket.request(hostRoute(server, false));
  }

  /** What does not work now, in sentences. */
  problems(): readonly string[] {
    const lost = [...this.servers].filter(([, there]) => !there);
    return [
      ...(this.ruled ? [] : ['the routing rule for direct forwarding could not be put in']),
      ...lost.map(([server]) => `direct forwarding to ${server}: it is on no link of this appliance`),
    ];
  }

  /** Takes out everything, and closes. */
  async release(): Promise<void> {
    for (const server of [...this.servers.keys()]) await this.remove(server);
    await this.socket.request(markRule(false));
    this.close();
  }

  close(): void {
    this.timer?.cancel();
    this.socket.close();
  }

  private watch(): void {
    this.timer?.cancel();
    this.timer = this.clock.after('direct-routes', LOOK, () => {
      this.mend().then(
        () => this.watch(),
        () => {},
      );
    });
  }

  private async mend(): Promise<void> {
    if (this.socket.changed()) for (const server of [...this.servers.keys()]) await this.add(server);
  }
}
