/**
 * DNS over UDP by the sockets that Node has: for tests in virtual time, and where there is nothing faster.
 */
import { type Address, addressBytes } from '../../sdk/wire/address.ts';
import type { DatagramSocket, Net } from '../host/ports.ts';
import type { Desk } from './desk.ts';
import { LARGEST_DATAGRAM } from './numbers.ts';

/** Opens a socket that `desk` answers at; its asks have to be answered at once. Rejects when it cannot be bound. */
export async function openPlain(
  net: Net,
  desk: Desk,
  address: Address,
  port: number,
  onError: (error: string) => void,
): Promise<DatagramSocket> {
  const source = new Uint8Array(16);
  const output = new Uint8Array(LARGEST_DATAGRAM);
  const socket = await net.datagram(
    { address, port, receiveBuffer: 1 << 20 },
    (bytes, from, fromPort) => {
      const own = addressBytes(from);
      source.fill(0);
      source.set(own, 16 - own.length);
      if (own.length === 4) source.fill(0xff, 10, 12);
      desk.answerer.begin();
      const length = desk.answerer.answer(bytes, 0, bytes.length, source, 0, false, output, 0);
      // Node sends when it can: it needs bytes of its own.
      if (length > 0) socket.send(output.slice(0, length), fromPort, from);
    },
    onError,
  );
  return socket;
}
