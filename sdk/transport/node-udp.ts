/**
 * UDP sockets by Node.
 */
import { createSocket } from 'node:dgram';
import { familyOf, parseAddress } from '../wire/address.ts';
import type { Net } from './environment.ts';

/**
 * Net.datagram of environment.ts. With `only` the socket is connected: the kernel then drops what comes from elsewhere and hands
 * over ICMP errors, so that a port at which nothing listens is known at once.
 */
export const datagram: Net['datagram'] = async (at, onDatagram, onError) => {
  const family = familyOf(at.address);
  const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6 });
  const sentence = (error: Error | null): void => {
    if (error !== null) onError(error.message);
  };
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: at.address, port: at.port }, () => {
      if (at.only === undefined) return resolve();
      socket.connect(at.only.port, at.only.address, ((error?: Error) =>
        error === undefined || error === null ? resolve() : reject(error)) as () => void);
    });
  }).catch(error => {
    socket.close();
    throw error;
  });
  socket.removeAllListeners('error');
  socket.on('error', sentence);
  socket.on('message', (bytes, from) => {
    const address = parseAddress(from.address.split('%')[0]!);
    if (address !== undefined) onDatagram(bytes, address, from.port);
  });
  let open = true;
  return {
    send(bytes, port, address) {
      if (!open) return;
      if (at.only === undefined) socket.send(bytes, port, address, sentence);
      else socket.send(bytes, sentence);
    },
    close() {
      if (open) socket.close();
      open = false;
    },
  };
};
