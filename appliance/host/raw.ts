/**
 * Raw IP sockets on Linux, by the raw-socket addon: ICMP echoes and TCP resets. Needs CAP_NET_RAW.
 */
import { parseAddress } from '../../sdk/wire/address.ts';
import type { RawSocket, RawSockets } from './ports.ts';

/** IPPROTO_RAW (raw(7)): the caller writes the IP header, and nothing is ever received. */
const IPPROTO_RAW = 255;

/** Bytes of one received packet that are kept; more are cut off. */
const LARGEST_PACKET = 9216;

/**
 * The addon is loaded here, not when the program starts, so that commands that need no raw socket run without it.
 *
 * A socket opened without `header` receives every packet of its protocol that comes to this network namespace: the caller must
 * ignore what isn't its own. A socket opened with `header` only sends: the kernel fills in the checksum of an IPv4 header, and the
 * total length, and leaves the rest as written. ICMPv6 checksums are the kernel's work, ICMP and TCP ones the caller's.
 *
 * A packet that the kernel refuses (no route, a full queue, a firewall) is lost, like one lost on the way: `onProblem` is told.
 */
export async function linuxRawSockets(onProblem: (sentence: string) => void = () => {}): Promise<RawSockets> {
  const { default: raw } = await import('raw-socket');
  return {
    open(family, protocol, header, onPacket): RawSocket {
      const socket = raw.createSocket({
        protocol: header ? IPPROTO_RAW : protocol,
        addressFamily: family === 4 ? 1 : 2,
        bufferSize: LARGEST_PACKET,
      });
      let open = true;
      // An error of recvfrom (an ICMP error queued on the socket, say) is no reason to stop, but without a listener it would throw.
      socket.on('error', error => onProblem(`raw socket (protocol ${protocol}): ${error.message}`));
      if (header) {
        socket.pauseRecv();
      } else {
        socket.on('message', (packet, source) => {
          const from = open ? parseAddress(source) : undefined;
          const payload = family === 4 ? behindHeader(packet) : packet;
          if (from !== undefined && payload !== undefined) onPacket(payload, from);
        });
      }
      return {
        send(packet, to) {
          if (!open) return;
          try {
            socket.wrap.send(packet, 0, packet.length, to, ignore);
          } catch (error) {
            onProblem(`raw socket (protocol ${protocol}) to ${to}: ${(error as Error).message}`);
          }
        },
        close() {
          if (!open) return;
          open = false;
          socket.close();
        },
      };
    },
  };
}

/** IPv4 raw sockets deliver the header too (raw(7)), IPv6 ones do not. Undefined if the header lies about its length. */
export function behindHeader(packet: Uint8Array): Uint8Array | undefined {
  const length = ((packet[0] ?? 0) & 15) * 4;
  return length < 20 || length > packet.length ? undefined : packet.subarray(length);
}

const ignore = (): void => {};
