/**
 * UDP sockets with multicast membership that follows the host's interfaces.
 */
import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import { canonicalAddress, oneSentence } from './net-stream.ts';
import type { Net } from './ports.ts';

/** How often interfaces that have come are looked for, to join on them too. */
const JOIN_MS = 5000;
/** Sources whose canonical address is remembered: they ask again. */
const SOURCES = 1024;
/** Link-local peers whose interface is remembered. */
const ZONES = 1024;

/** Net.datagram of ports.ts. Rejects when it cannot be bound; a group that cannot be joined yet is tried again. */
export const datagram: Net['datagram'] = (at, onDatagram, onError) => {
  const family = familyOf(at.address);
  const socket = createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    reuseAddr: at.reuse ?? false,
    ...(at.receiveBuffer === undefined ? {} : { recvBufferSize: at.receiveBuffer }),
    ipv6Only: family === 6,
    // Addresses only: node's own look-up of a literal costs a turn of the event loop for each datagram.
    lookup: (host, _options, done) => done(null, host, family),
  });
  const zones = new Map<string, string>();
  const sources = new Map<string, Address>();
  // One for all: a closure for each datagram is garbage at 70,000 of them a second. Node's error names the destination.
  const onSent = (error: Error | null): void => {
    if (!error) return;
    follower?.look(true);
    onError(oneSentence(error));
  };
  let follower: Follower | undefined;
  socket.on('message', (bytes, from) => {
    let address = sources.get(from.address);
    if (address === undefined) {
      address = canonicalAddress(from.address);
      if (address === undefined) return;
      if (sources.size >= SOURCES) sources.clear();
      sources.set(from.address, address);
    }
    const zone = from.address.indexOf('%');
    if (zone > 0) remember(zones, address, from.address);
    onDatagram(bytes, address, from.port, zone > 0 ? from.address.slice(zone + 1) : undefined);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    const own = at.zone === undefined ? at.address : `${at.address}%${at.zone}`;
    socket.bind({ address: own, port: at.port, exclusive: true }, () => {
      socket.off('error', reject);
      socket.on('error', error => onError(oneSentence(error)));
      const stopJoining = join(socket, family, at.groups ?? [], at.interfaces, onError);
      try {
        if (at.multicast !== undefined) follower = follow(socket, family, at.multicast, onError);
      } catch (error) {
        stopJoining();
        socket.close();
        reject(error as Error);
        return;
      }
      let open = true;
      resolve({
        port: socket.address().port,
        send(bytes, port, address) {
          if (!open) return;
          const to = zones.size === 0 ? address : (zones.get(address) ?? address);
          socket.send(bytes, port, to, onSent);
        },
        close() {
          if (!open) return;
          open = false;
          stopJoining();
          follower?.stop();
          socket.close();
        },
      });
    });
  });
};

/** An Address has no zone; the one that a link-local peer was last heard on is where its answer goes (RFC 4007 §11). */
function remember(zones: Map<string, string>, address: Address, scoped: string): void {
  zones.delete(address);
  if (zones.size >= ZONES) zones.delete(zones.keys().next().value!);
  zones.set(address, scoped);
}

/** Joins now and on interfaces that come or get their address later; gives what ends that. */
function join(
  socket: Socket,
  family: 4 | 6,
  groups: readonly Address[],
  interfaces: readonly string[] | undefined,
  onError: (error: string) => void,
): () => void {
  if (groups.length === 0) return () => {};
  const complained = new Set<string>();
  const look = () => {
    // Each time anew: an interface that went took its memberships with it, and another may have its name and address now.
    for (const [key, membership] of membershipInterfaces(family, interfaces)) {
      for (const group of groups) {
        const error = tryJoin(socket, group, membership);
        if (error === undefined || complained.has(key)) continue;
        complained.add(key);
        onError(`cannot join ${group} on ${key}: ${error}`);
      }
    }
  };
  look();
  const timer = setInterval(look, JOIN_MS);
  timer.unref();
  return () => clearInterval(timer);
}

interface Follower {
  /** Looks whether the interface is named otherwise now; `anew`: names it again in any case, since it may be another of that name. */
  look(anew: boolean): void;
  stop(): void;
}

/**
 * Lets multicasts leave by the interface. The kernel keeps the address by which an IPv4 interface was named as their source, and
 * sends nothing once the interface has it no more: so the new one is looked for, now and then and after an error. Throws when there
 * is no such interface with an address.
 */
function follow(
  socket: Socket,
  family: 4 | 6,
  { interface: name, ttl }: { readonly interface: string; readonly ttl: number },
  onError: (error: string) => void,
): Follower {
  const find = (): string | undefined => membershipInterfaces(family, [name]).values().next().value;
  let current = find();
  if (current === undefined) throw new Error(`there is no interface ${name} with an IPv${family} address`);
  socket.setMulticastTTL(ttl);
  socket.setMulticastInterface(current);
  const look = (anew: boolean): void => {
    const next = find();
    if (next === undefined || (next === current && !anew)) return;
    try {
      socket.setMulticastInterface(next);
      current = next;
    } catch (error) {
      onError(`${name}: ${oneSentence(error as Error)}`);
    }
  };
  const timer = setInterval(() => look(false), JOIN_MS);
  timer.unref();
  return { look, stop: () => clearInterval(timer) };
}

function tryJoin(socket: Socket, group: Address, membership: string): string | undefined {
  try {
    socket.addMembership(group, membership);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? undefined : oneSentence(error as Error);
  }
}

/** `interface address` → how a membership names the interface: by an address of it in IPv4, by its zone in IPv6. */
function membershipInterfaces(family: 4 | 6, wanted: readonly string[] | undefined): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (wanted !== undefined && !wanted.includes(name)) continue;
    const own = addresses?.find(address => address.family === `IPv${family}`);
    if (own !== undefined) found.set(`${name} ${own.address}`, family === 4 ? own.address : `::%${name}`);
  }
  return found;
}
