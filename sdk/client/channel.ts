/**
 * The two ways that a question goes out: a UDP datagram to one manager, or an ARP frame to all on a link.
 */
import { BivouacError } from '../errors.ts';
import type { Environment } from '../transport/environment.ts';
import { type Address, familyOf } from '../wire/address.ts';
import { type ArpFrame, anycastQueryFrame, decodeArp, NO_ADDRESS } from '../wire/arp.ts';

export interface Channel {
  send(bytes: Uint8Array): void;
  close(): void;
}

/** Hears a message's bytes and where they came from. */
type Hear = (bytes: Uint8Array, address: Address, port: number) => void;
export type OpenChannel = (hear: Hear, fail: (error: string) => void) => Promise<Channel>;

const ANY = { 4: '0.0.0.0' as Address, 6: '::' as Address } as const;

/** UDP to `address`. */
export const udpChannel =
  ({ net }: Environment, address: Address, port: number): OpenChannel =>
  async (hear, fail) => {
    const at = { address: ANY[familyOf(address)], port: 0, only: { address, port } };
    const socket = await net.datagram(at, hear, fail).catch((error: Error) => {
      throw new BivouacError('ETIMEOUT', `${address} cannot be asked: ${error.message}`, { cause: error });
    });
    return { send: bytes => socket.send(bytes, port, address), close: () => socket.close() };
  };

/** Kernel-side buffer of a link: answers to one question, no more. */
const RING = 1024 * 1024;

/** Anycast ARP on the interface `name`, by broadcast; the answer's sender address is where it "came from". */
export const linkChannel =
  (environment: Environment, name: string, vip: Address | undefined): OpenChannel =>
  async hear => {
    const links = await environment.links();
    const link = links.list().find(entry => entry.name === name);
    if (link === undefined) {
      const known = links.list().map(entry => entry.name);
      throw new BivouacError('ENOLINK', `there is no interface '${name}': one of ${known.join(', ')}`);
    }
    const own = link.addresses.find(entry => familyOf(entry.address) === 4)?.address ?? NO_ADDRESS;
    const filter = 'arp and arp[6:2] = 25';
    try {
      const socket = links.open(name, filter, RING, bytes => {
        const frame = read(bytes);
        if (frame?.operation === 'answer' && frame.message !== undefined && frame.destination === link.mac)
          hear(frame.message.slice(), frame.senderAddress, 0);
      });
      return {
        send: bytes => socket.send(anycastQueryFrame(link.mac, own, vip, bytes)),
        close: () => socket.close(),
      };
    } catch (error) {
      if (error instanceof BivouacError) throw error;
      throw new BivouacError(
        'ENOLINK',
        `${name} cannot be opened: ${(error as Error).message} (needs CAP_NET_RAW)`,
        { cause: error },
      );
    }
  };

function read(bytes: Uint8Array): ArpFrame | undefined {
  try {
    return decodeArp(bytes);
  } catch {
    return undefined;
  }
}
