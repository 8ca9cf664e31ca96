/**
 * OSPF hellos of neighbours (RFC 2328 §A.3.1, §A.3.2), to see whether somebody speaks OSPF on a link, and how.
 *
 *     0  version 2    1  type 1     2  length       4  router ID     8  area ID     12  checksum    14  authentication type
 *     16 (authentication, 8)        24  mask        28  hello interval, s           30  options     31  priority
 *     32 dead interval, s           36  designated router           40  backup
 */
import { type Address, addressFromBytes } from '../../sdk/wire/address.ts';

export interface Hello {
  readonly router: Address;
  readonly area: Address;
  /** Seconds. */
  readonly hello: number;
  readonly dead: number;
  /** The neighbour wants a key. */
  readonly authenticated: boolean;
  /** The link has a designated router, so the neighbour takes it for a broadcast network. */
  readonly broadcast: boolean;
}

/** Reads an OSPF packet; undefined for all others, and for those that are cut off. */
export function readHello(packet: Uint8Array): Hello | undefined {
  if (packet.length < 44 || packet[0] !== 2 || packet[1] !== 1) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const hello = view.getUint16(28);
  const dead = view.getUint32(32);
  if (view.getUint16(2) < 44 || hello === 0 || dead === 0) return undefined;
  const at = (offset: number): Address => addressFromBytes(packet.subarray(offset, offset + 4))!;
  return {
    router: at(4),
    area: at(8),
    hello,
    dead,
    authenticated: view.getUint16(14) !== 0,
    broadcast: view.getUint32(36) !== 0 || view.getUint32(40) !== 0,
  };
}

/** Why no adjacency can be made with this neighbour by itself; undefined when it can. */
export function unfit({ router, hello, dead, authenticated }: Hello): string | undefined {
  const neighbour = `${router} speaks OSPF`;
  if (authenticated) return `${neighbour} with a key: give the box a mission with that key`;
  if (dead !== 4 * hello)
    return `${neighbour} with a dead interval of ${dead} s, which is not four of its hellos of ${hello} s: set it so`;
  return undefined;
}
