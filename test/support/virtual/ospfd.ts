/**
 * ospfd with its API, on hosts in virtual time: opaque LSAs of AS scope reach every router that is not cut off, in a millisecond, and
 * what was missed comes when it is not any more. Flushed LSAs stay for a minute, at MaxAge. It speaks the API's bytes by itself.
 */
import type { Net, OpenVty, Stream } from '../../../appliance/host/ports.ts';
import { type Address, addressBytes } from '../../../sdk/wire/address.ts';
import type { VirtualHost } from './network.ts';

interface Lsa {
  readonly router: Address;
  /** The opaque type and id. */
  readonly id: number;
  readonly sequence: number;
  readonly flushed: boolean;
  readonly data: Uint8Array;
}

interface Client {
  readonly requests: Stream;
  notifications: Stream | undefined;
  readonly queue: Uint8Array[];
}

const FLOODING = 1;

/** All routers of a network. */
export class VirtualOspf {
  readonly routers: VirtualOspfd[] = [];

  router(host: VirtualHost): VirtualOspfd {
    const router = new VirtualOspfd(this, host);
    this.routers.push(router);
    return router;
  }

  /** Brings everybody who can be reached up to date: at a heal. */
  synchronize(): void {
    for (const from of this.routers)
      if (!from.cut) for (const lsa of from.database.values()) this.flood(from, lsa);
  }

  flood(from: VirtualOspfd, lsa: Lsa): void {
    for (const to of this.routers)
      if (to !== from)
        from.host.network.clock.after('lsu', FLOODING, () => {
          if (!from.cut && !to.cut && to.running && from.running) to.install(lsa);
        });
  }
}

export class VirtualOspfd {
  readonly host: VirtualHost;
  readonly database = new Map<string, Lsa>();
  /** No neighbour is heard. */
  cut = false;
  running = true;
  /** Whether it has a `router ospf`. */
  configured = true;
  /** LSAs that were originated. */
  originated = 0;
  private readonly ospf: VirtualOspf;
  private readonly clients = new Set<Client>();

  constructor(ospf: VirtualOspf, host: VirtualHost) {
    this.ospf = ospf;
    this.host = host;
  }

  get id(): Address {
    return this.host.addresses[0]!;
  }

  /** The network as a program on this host has it: its loopback is the host itself. */
  get net(): Net {
    const { net } = this.host;
    const here = (address: Address): Address => (address === '127.0.0.1' ? this.id : address);
    return {
      ...net,
      connect: ({ from: _, ...to }, handlers) => net.connect({ ...to, address: here(to.address) }, handlers),
    };
  }

  /** As the port openVty. */
  readonly openVty: OpenVty = () =>
    this.running
      ? Promise.resolve({
          command: () =>
            Promise.resolve({
              text: this.configured ? ` OSPF Routing Process, Router ID: ${this.id}` : '',
              status: 0,
            }),
          close() {},
        })
      : Promise.reject(new Error('ECONNREFUSED'));

  async start(): Promise<this> {
    this.running = true;
    await this.host.net.listen(
      { address: this.id, port: 2607 },
      (requests, peer) => {
        if (!this.running) requests.destroy();
        return this.accept(requests, peer.port + 1);
      },
      () => {},
    );
    return this;
  }

  /** Ends and forgets all; `start` makes it anew. */
  crash(): void {
    this.running = false;
    this.database.clear();
    for (const { requests, notifications } of this.clients) {
      requests.destroy();
      notifications?.destroy();
    }
    this.clients.clear();
    this.host.listeners.delete(2607);
  }

  /** Tells its clients that OSPF has lost the way to a router, or has it again. */
  reach(router: VirtualOspfd, reachable: boolean): void {
    const counts = reachable ? [0, 1, 0, 0] : [0, 0, 0, 1];
    this.notify(18, [...counts, ...addressBytes(router.id)]);
  }

  install(lsa: Lsa): void {
    const key = `${lsa.router} ${lsa.id}`;
    const old = this.database.get(key);
    if (
      old !== undefined &&
      (old.sequence > lsa.sequence || (old.sequence === lsa.sequence && old.flushed >= lsa.flushed))
    )
      return;
    this.database.set(key, lsa);
    if (old !== undefined && !old.flushed) this.notify(13, this.about(old));
    if (!lsa.flushed) this.notify(12, this.about(lsa));
    this.ospf.flood(this, lsa);
  }

  private accept(requests: Stream, back: number) {
    const client: Client = { requests, notifications: undefined, queue: [] };
    this.clients.add(client);
    const stream = this.host.net.connect(
      { address: this.id, port: back },
      {
        onOpen() {
          client.notifications = stream;
          for (const bytes of client.queue.splice(0)) stream.write(bytes);
        },
        onData() {},
        onClose: () => {},
      },
    );
    const mine = new Set<number>();
    return {
      onData: (bytes: Uint8Array) => this.read(client, mine, bytes),
      onClose: () => {
        this.clients.delete(client);
        // Whatever the program flooded goes with it.
        for (const id of mine) this.flush(id);
      },
    };
  }

  /** Requests come whole: a client writes each at once. */
  private read(client: Client, mine: Set<number>, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 8 + view.getUint16(at + 2)) {
      const [type, length] = [bytes[at + 1]!, view.getUint16(at + 2)];
      if (length === 0) throw new Error('ospfd: stream_new(): assertion (size > 0) failed');
      const body = bytes.slice(at + 8, at + 8 + length);
      const id = new DataView(body.buffer).getUint32(type === 5 ? 12 : 0);
      if (type === 5) {
        mine.add(id);
        this.originated++;
        const sequence = (this.database.get(`${this.id} ${id}`)?.sequence ?? 0) + 1;
        this.install({ router: this.id, id, sequence, flushed: false, data: body.slice(28) });
      } else if (type === 6) this.flush(body[5]! * 2 ** 24 + new DataView(body.buffer).getUint32(8));
      else if (type === 4) for (const lsa of this.database.values()) this.write(client, 12, this.about(lsa));
      client.requests.write(frame(10, [0, 0, 0, 0], view.getUint32(at + 4)));
    }
  }

  private flush(id: number): void {
    const lsa = this.database.get(`${this.id} ${id}`);
    if (lsa !== undefined && !lsa.flushed) this.install({ ...lsa, flushed: true });
  }

  private about({ router, id, sequence, flushed, data }: Lsa): number[] {
    const header = new DataView(new ArrayBuffer(20));
    header.setUint16(0, flushed ? 3600 : 1);
    header.setUint8(3, 11);
    header.setUint32(4, id);
    header.setUint32(12, 0x80000000 + sequence);
    header.setUint16(18, 20 + data.length);
    const bytes = new Uint8Array(header.buffer);
    bytes.set(addressBytes(router), 8);
    return [...new Uint8Array(8), router === this.id ? 1 : 0, 0, 0, 0, ...bytes, ...data];
  }

  private notify(type: number, body: readonly number[]): void {
    for (const client of this.clients) this.write(client, type, body);
  }

  private write(client: Client, type: number, body: readonly number[]): void {
    if (client.notifications === undefined) client.queue.push(frame(type, body, 0));
    else client.notifications.write(frame(type, body, 0));
  }
}

function frame(type: number, body: readonly number[], sequence: number): Uint8Array {
  const bytes = Uint8Array.from([1, type, body.length >> 8, body.length & 0xff, 0, 0, 0, 0, ...body]);
  new DataView(bytes.buffer).setUint32(4, sequence);
  return bytes;
}
