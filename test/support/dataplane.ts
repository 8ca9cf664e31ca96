/**
 * A cell for tests of the data plane: a client, the appliance, servers behind it, and a router that direct replies take.
 *
 *     client 10.9.0.2 ──┬── 10.9.0.1 appliance 10.1.0.1 ──┬── server 10.1.0.11, .12 …
 *                       └── 10.9.0.3  router   10.1.0.254 ┘
 *
 * VIPs are 10.50.0.0/24 and fd50::/64, which the client routes to the appliance. Servers answer each TCP connection and each datagram
 * with their name, then echo.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { openNftables } from '../../appliance/commands/dataplane.ts';
import type { NftablesDriver } from '../../appliance/dataplane/nftables.ts';
import type { Driver } from '../../appliance/desired/driver.ts';
import type { Farm, FarmKey, Member, WantedDataplane } from '../../appliance/desired/wanted.ts';
import { createClock } from '../../appliance/host/clock.ts';
import { createExec } from '../../appliance/host/exec.ts';
import { bindingKey } from '../../appliance/registry/elsewhere.ts';
import type { Reached } from '../../appliance/registry/state.ts';
import { Table } from '../../appliance/registry/table.ts';
import { address } from '../../sdk/wire/address.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import { type LongProcess, type Namespace, Network, poll } from './netns.ts';

export const VIP = address('10.50.0.1');
export const VIP6 = address('fd50::1');
export const TCP_PORTS = [80, 81, 8080, 5000, 5001, 5002];

const SERVER = `
const [name, vip, ...ports] = process.argv.slice(1);
const net = require('net'), dgram = require('dgram');
const udp = [['udp4', vip || '0.0.0.0'], ['udp6', '::']];
let left = ports.length * 3;
const up = () => { if (--left === 0) console.log('ready'); };
for (const port of ports) {
  net.createServer(s => { s.on('error', () => {}); s.write(name + ' ' + s.remoteAddress + '\\n'); s.on('data', d => s.write(d)); }).listen(port, '::', up);
  for (const [kind, any] of udp) {
    const u = dgram.createSocket({ type: kind, ipv6Only: kind === 'udp6' });
    u.on('message', (m, r) => u.send(name, r.port, r.address)).bind(+port, any, up);
  }
}`;

/** How a server gets what is for it, and answers. */
export type Reply = 'nat' | 'direct' | 'tunnel';

/** A driver that acts in an appliance, as a daemon that starts there would. */
export interface Acting<D = Driver<WantedDataplane, Reached['farms']>> {
  apply: (...farms: Farm[]) => Promise<readonly string[]>;
  /** Wants nothing any more; the servers have left with their flows. */
  part: (...servers: string[]) => Promise<readonly string[]>;
  readonly driver: D;
}

/** Runs asynchronous work with the thread inside a namespace, one at a time. */
let queue: Promise<unknown> = Promise.resolve();
export function inside<T>(namespace: Namespace, work: () => Promise<T>): Promise<T> {
  const run = async (): Promise<T> => {
    const leave = namespace.enter();
    try {
      return await work();
    } finally {
      leave();
    }
  };
  const done = queue.then(run);
  queue = done.catch(() => {});
  return done;
}

export class Cell {
  readonly network = new Network();
  readonly client: Namespace;
  readonly appliance: Namespace;
  readonly router: Namespace;
  readonly lan: Namespace;
  readonly servers: {
    readonly name: string;
    readonly namespace: Namespace;
    readonly process: LongProcess;
  }[] = [];

  constructor() {
    const { network } = this;
    this.client = network.namespace('client');
    this.appliance = network.namespace('appl');
    this.router = network.namespace('router');
    network.lan(
      'core',
      { in: this.client, name: 'eth0', addresses: ['10.9.0.2/24', 'fd09::2/64'] },
      { in: this.appliance, name: 'core', addresses: ['10.9.0.1/24', 'fd09::1/64'] },
      { in: this.router, name: 'core', addresses: ['10.9.0.3/24', 'fd09::3/64'] },
    );
    this.lan = network.lan(
      'lan',
      { in: this.appliance, name: 'lan', addresses: ['10.1.0.1/24', 'fd01::1/64'] },
      { in: this.router, name: 'lan', addresses: ['10.1.0.254/24', 'fd01::fe/64'] },
    );
    this.client.ipBatch([
      'route add 10.50.0.0/24 via 10.9.0.1',
      'route add 10.1.0.0/24 via 10.9.0.1',
      'route add fd50::/64 via fd09::1',
      'route add fd01::/64 via fd09::1',
    ]);
    this.router.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 });
    for (const name of ['all', 'default', 'core', 'lan'])
      this.router.sysctl({ [`net.ipv4.conf.${name}.rp_filter`]: 0 });
  }

  /** Starts a server of 10.1.0.<last>; unless it is for `nat` it holds the VIPs on lo and answers through the router. */
  async serve(last: number, reply: Reply = 'nat'): Promise<string> {
    const direct = reply !== 'nat';
    const name = `10.1.0.${last}`;
    const namespace = this.network.namespace(`s${last}`);
    this.network.plug(this.lan, {
      in: namespace,
      name: 'eth0',
      addresses: [`${name}/24`, `fd01::${last}/64`],
    });
    namespace.ipBatch([
      `route add default via ${direct ? '10.1.0.254' : '10.1.0.1'}`,
      `route add default via ${direct ? 'fd01::fe' : 'fd01::1'}`,
    ]);
    if (direct) {
      namespace.sysctl({ 'net.ipv4.conf.all.arp_ignore': 1, 'net.ipv4.conf.all.arp_announce': 2 });
      namespace.ipBatch([`addr add ${VIP}/32 dev lo`, `addr add ${VIP6}/128 dev lo`]);
    }
    if (reply === 'tunnel') {
      namespace.ipBatch([
        `link add tunnel4 type ipip local ${name}`,
        'link set tunnel4 up',
        `link add tunnel6 type ip6tnl mode ip6ip6 local fd01::${last}`,
        'link set tunnel6 up',
      ]);
      for (const link of ['all', 'tunnel4']) namespace.sysctl({ [`net.ipv4.conf.${link}.rp_filter`]: 0 });
    }
    const process = namespace.node(SERVER, [name, direct ? VIP : '', ...TCP_PORTS.map(String)]);
    await poll(() => process.stdout().includes('ready'), 60_000, `server ${name}`);
    this.servers.push({ name, namespace, process });
    return name;
  }

  /** The nftables driver. */
  driver(): Promise<Acting<NftablesDriver>> {
    const host = { clock: createClock(), exec: createExec(), log: () => {} };
    return this.act(async () => openNftables(host));
  }

  /** Whatever driver `open` opens in the appliance. */
  async act<D extends Driver<WantedDataplane, Reached['farms']>>(open: () => Promise<D>): Promise<Acting<D>> {
    const driver = await inside(this.appliance, open);
    return {
      driver,
      apply: (...farms) => inside(this.appliance, async () => (await driver.apply(wanted(farms))).problems),
      part: (...servers) =>
        inside(this.appliance, async () => (await driver.apply(wanted([], [], servers))).problems),
    };
  }

  /** Opens a TCP connection from the client (or another namespace) and waits for the server's greeting. */
  open(
    port = 80,
    host: string = VIP,
    from = this.client,
    source?: string,
    limit = Talk.patience,
  ): Promise<Talk> {
    return inside(from, () => Talk.open(host, port, source, limit));
  }

  /** Connects `count` times, one after another; gives how many each server got. */
  async spread(count: number, port = 80, host: string = VIP): Promise<Record<string, number>> {
    const tally: Record<string, number> = {};
    for (let at = 0; at < count; at++) {
      const talk = await this.open(port, host);
      tally[talk.server] = (tally[talk.server] ?? 0) + 1;
      talk.socket.destroy();
    }
    return tally;
  }

  /** A UDP socket in the client whose datagrams all come from one port. */
  udp(from = this.client, family: 4 | 6 = 4): Promise<Datagrams> {
    return inside(from, () => Datagrams.open(family));
  }

  dispose(): Promise<void> {
    return this.network.dispose();
  }
}

/** A TCP connection through the balancer. */
export class Talk {
  readonly socket: Socket;
  /** Who answered, and from what address it saw the connection come. */
  server = '';
  seenFrom = '';
  /** Set when it ended, to the error's code, or 'FIN'. */
  ended: string | undefined;
  private heard = '';

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', data => {
      this.heard += data.toString();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.ended ??= error.code ?? 'error';
    });
    socket.on('close', () => {
      this.ended ??= 'FIN';
    });
  }

  /** How long a server may take for a word, ms. */
  static patience = 20_000;

  static async open(
    host: string,
    port: number,
    source?: string,
    limit: number = Talk.patience,
  ): Promise<Talk> {
    const talk = new Talk(connect({ host, port, ...(source === undefined ? {} : { localAddress: source }) }));
    try {
      await poll(
        () => talk.ended !== undefined || talk.heard.includes('\n'),
        limit,
        `greeting of ${host}:${port}`,
        1,
      );
      if (talk.ended !== undefined) throw new Error(talk.ended);
    } catch (error) {
      talk.socket.destroy();
      throw error;
    }
    const [server = '', from = ''] = talk.heard.trim().split(' ');
    talk.server = server;
    talk.seenFrom = from.replace('::ffff:', '');
    talk.heard = '';
    return talk;
  }

  /** Sends a word and waits for its echo. */
  async echo(word = 'word', timeout = Talk.patience): Promise<boolean> {
    this.heard = '';
    this.socket.write(word);
    await poll(() => this.heard === word || this.ended !== undefined, timeout, `echo of ${this.server}`, 2);
    return this.heard === word;
  }
}

/** A UDP socket of the client. */
export class Datagrams {
  readonly socket: UdpSocket;
  private heard: string | undefined;
  private failed: string | undefined;

  private constructor(socket: UdpSocket) {
    this.socket = socket;
    socket.on('message', (message, { address }) => {
      this.heard = message.toString();
      this.source = address;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.failed = error.code;
    });
  }

  /** Where the last answer came from. */
  source = '';

  static async open(family: 4 | 6): Promise<Datagrams> {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    await new Promise<void>(resolve => socket.bind({ port: 0, exclusive: true }, resolve));
    return new Datagrams(socket);
  }

  /** Sends one datagram and gives the answer (a server's name), or 'none' after `timeout`. */
  async ask(port = 80, host: string = VIP, timeout = 10_000, words = '?'): Promise<string> {
    this.heard = undefined;
    this.socket.send(words, port, host);
    await poll(() => this.heard ?? this.failed, timeout, '', 1).catch(() => undefined);
    return this.heard ?? this.failed ?? 'none';
  }
}

/** A farm of tests: TCP port 80 of the VIP, nat, wrr. */
export function farm(
  members: readonly (string | (Partial<Member> & { readonly at: string }))[],
  rest: Partial<Farm> = {},
): Farm {
  const { vip = VIP, transport = 'tcp', ports = { first: 80, last: 80 } } = rest;
  return {
    key: `${vip}|${transport}|${ports.first}-${ports.last}` as FarmKey,
    vip,
    transport,
    ports,
    mode: 'nat',
    scheduler: 'wrr',
    affinity: 0,
    members: members.map(entry => {
      const { at, ...member } = typeof entry === 'string' ? { at: entry } : entry;
      return {
        server: at as unknown as ServerId,
        address: address(at),
        port: 0,
        weight: 1,
        accepts: true,
        ...member,
      };
    }),
    ...rest,
  };
}

/** `parted`: servers (as farm() names them) that left the VIP with their flows. */
export const wanted = (
  farms: readonly Farm[],
  vips: readonly string[] = [],
  parted: readonly string[] = [],
): WantedDataplane => ({
  farms: Table.from(farms.map(each => [each.key, each])),
  vips: Table.from(vips.map(vip => [address(vip), true as const])),
  partings: Table.from(
    parted.map(server => [bindingKey(VIP, server as ServerId), { why: 'moved' as const, at: 0 }]),
  ),
});
