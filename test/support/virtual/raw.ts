/**
 * Raw IP packets in virtual time, and a kernel that answers pings.
 */
import type { RawSocket, RawSockets } from '../../../appliance/host/ports.ts';
import type { Address } from '../../../sdk/wire/address.ts';
import type { VirtualHost } from './network.ts';

export interface RawInbox {
  readonly family: 4 | 6;
  readonly protocol: number;
  readonly hear: Parameters<RawSockets['open']>[3];
}

/** Packets sent with `header` go to the address that `send` names, IP header and all. */
export function openRaw(
  host: VirtualHost,
  ...[family, protocol, header, onPacket]: Parameters<RawSockets['open']>
): RawSocket {
  const inbox: RawInbox = { family, protocol, hear: onPacket };
  let open = true;
  if (!header) host.inboxes.add(inbox);
  return {
    send(packet, to) {
      if (!open) return;
      const { network } = host;
      const copy = packet.slice();
      const from = host.sourceFor(to);
      network.carry(host, network.hosts.get(to), there => there.hearRaw(protocol, copy, from, to));
    },
    close() {
      open = false;
      host.inboxes.delete(inbox);
    },
  };
}

/** Every raw socket of the protocol hears every packet of it, as on Linux; echo requests (RFC 792, RFC 4443) are answered. */
export function receiveRaw(
  host: VirtualHost,
  protocol: number,
  packet: Uint8Array,
  from: Address,
  to: Address,
): void {
  const family = from.includes(':') ? 6 : 4;
  for (const inbox of host.inboxes)
    if (inbox.family === family && inbox.protocol === protocol) inbox.hear(packet.slice(), from);
  const [request, reply] = family === 4 ? [8, 0] : [128, 129];
  if (!host.answersPing || (protocol !== 1 && protocol !== 58) || packet[0] !== request) return;
  if (family === 4 && checksum(packet) !== 0) return;
  const answer = packet.slice();
  answer.set([reply!, 0, 0, 0]);
  if (family === 4) new DataView(answer.buffer).setUint16(2, checksum(answer));
  const { network } = host;
  network.carry(host, network.hosts.get(from), there => there.hearRaw(protocol, answer, to, from));
}

/** RFC 1071. Zero over a packet whose own checksum is right. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const [index, byte] of bytes.entries()) sum += index % 2 === 0 ? byte << 8 : byte;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
