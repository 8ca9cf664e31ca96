/**
 * Notices on the network: UDP multicast on chosen interfaces, and unicast. Another carrier (a flooded LSA, say) has the same shape.
 */
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import type { Clock, DatagramSocket, Log, Millis, Net } from '../host/ports.ts';
import type { NoticesConfig } from './options.ts';

export interface Carrier {
  /** To all who listen: every group on every interface, and every unicast receiver. */
  tell(bytes: Uint8Array): void;
  /** To one. */
  send(bytes: Uint8Array, port: number, address: Address): void;
  close(): void;
}

/** A burst of a thousand notices fits while the loop is busy with something else. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;
const ANY = { 4: '0.0.0.0' as Address, 6: '::' as Address };
/** Hears on all interfaces, and says nothing on any. */
const EVERYWHERE = '*';
/** An interface that is not there, or has no address yet, is looked for again. */
const RETRY: Millis = 2000;

/** Opens the sockets; `onDatagram` gets what comes, from whomever. Rejects when the port is taken. */
export async function openCarrier(
  { clock, net, log, config }: { clock: Clock; net: Net; log: Log; config: NoticesConfig },
  onDatagram: (bytes: Uint8Array, address: Address, port: number) => void,
): Promise<Carrier> {
  const { port, interfaces, peers, ttl } = config;
  const groups = interfaces.length > 0 ? config.groups : [];
  const everywhere = interfaces.includes(EVERYWHERE);
  const said = new Set<string>();
  const complain = (error: string): void => {
    if (said.has(error) || said.size > MOST_SAID) return;
    said.add(error);
    log('warning', 'notices-carrier', { sentence: error });
  };
  const families = ([4, 6] as const).filter(
    family =>
      family === 4 || [...groups, ...peers.map(peer => peer.address)].some(to => familyOf(to) === family),
  );
  const receivers = new Map<4 | 6, DatagramSocket>();
  for (const family of families) {
    const here = groups.filter(group => familyOf(group) === family);
    const at = {
      ...{ address: ANY[family], port, groups: here, receiveBuffer: RECEIVE_BUFFER },
      ...(!everywhere && { interfaces }),
    };
    try {
      receivers.set(family, await net.datagram(at, onDatagram, complain));
    } catch (error) {
      if (family === 4) throw new Error(`notices: ${(error as Error).message}`, { cause: error });
      complain(`notices over IPv6 are off: ${(error as Error).message}`);
    }
  }

  let closed = false;
  const speakers: { readonly socket: DatagramSocket; readonly group: Address }[] = [];
  /** One socket for each interface: which one a datagram leaves by is a property of its socket. */
  const openSpeaker = async (group: Address, name: string): Promise<void> => {
    const at = { address: ANY[familyOf(group)], port: 0, multicast: { interface: name, ttl } };
    try {
      // What a multicast asked for is answered to the port that it left by.
      const socket = await net.datagram(at, onDatagram, complain);
      if (closed) socket.close();
      else speakers.push({ socket, group });
    } catch (error) {
      log('debug', 'notices-carrier', { sentence: (error as Error).message });
      clock.after('notices-speaker', RETRY, () => {
        if (!closed) void openSpeaker(group, name);
      });
    }
  };
  for (const name of interfaces.filter(one => one !== EVERYWHERE)) {
    const before = speakers.length;
    await Promise.all(groups.map(group => openSpeaker(group, name)));
    if (groups.length > 0 && speakers.length === before)
      complain(`there is no interface ${name} with an address to send notices from: it is waited for`);
  }

  const send: Carrier['send'] = (bytes, to, address) =>
    receivers.get(familyOf(address))?.send(bytes, to, address);
  return {
    tell(bytes) {
      for (const { socket, group } of speakers) socket.send(bytes, port, group);
      for (const peer of peers) send(bytes, peer.port, peer.address);
    },
    send,
    close() {
      closed = true;
      for (const { socket } of speakers) socket.close();
      for (const socket of receivers.values()) socket.close();
    },
  };
}

const MOST_SAID = 64;
