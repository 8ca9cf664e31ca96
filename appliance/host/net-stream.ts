/**
 * A node socket (TCP, TLS or UNIX) as the Stream of ports.ts.
 */
import type { Socket } from 'node:net';
import { type Address, address, parseAddress } from '../../sdk/wire/address.ts';
import type { Stream, StreamHandlers } from './ports.ts';

/** How long a side that has said its last may still take to be read: then the socket is dropped. */
const LINGER_MS = 2000;

/** The Stream of a socket. Its events go nowhere until `attach`. */
export function streamOf(socket: Socket): Stream {
  return {
    write: bytes => socket.writable && socket.write(bytes),
    get pending() {
      return socket.writableLength;
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end() {
      socket.end();
      linger(socket);
    },
    destroy: () => void socket.destroy(),
  };
}

/** Brings a socket's events to its handlers; `opened` is the event that says that it can be written. */
export function attach(socket: Socket, handlers: StreamHandlers, opened?: 'connect' | 'secureConnect'): void {
  let failure: string | undefined;
  let closed = false;
  if (opened !== undefined) socket.once(opened, () => handlers.onOpen?.());
  socket.on('data', (bytes: Uint8Array) => {
    if (!closed && !socket.destroyed) handlers.onData(bytes);
  });
  socket.on('drain', () => {
    if (!socket.destroyed) handlers.onDrain?.();
  });
  socket.on('end', () => linger(socket));
  socket.on('error', error => {
    failure = oneSentence(error);
  });
  socket.once('close', () => {
    closed = true;
    handlers.onClose(failure);
  });
}

/** The far end of a socket in canonical form: an IPv4-mapped address is the IPv4 address, and zones are cut. */
export function remoteOf(socket: Socket): { readonly address: Address; readonly port: number } | undefined {
  const canonical = canonicalAddress(socket.remoteAddress);
  return canonical && { address: canonical, port: socket.remotePort ?? 0 };
}

/** What node calls an address, as an Address. */
export function canonicalAddress(text: string | undefined): Address | undefined {
  if (text === undefined) return undefined;
  if (!text.includes(':')) return parseAddress(text);
  const bare = text.split('%')[0]!;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  return mapped ? address(mapped[1]!) : parseAddress(bare);
}

/** An error in one line. OpenSSL's are `thread:error:code:library routines:function:reason:…`, of which only the reason speaks. */
export function oneSentence(error: Error): string {
  const message = error.message.trim();
  const parts = message.split(':');
  const library = parts.findIndex(part => part.endsWith(' routines'));
  return library < 0 ? message : (parts[library + 2] ?? message).trim();
}

/** An orderly end is waited for, but a peer that never reads the rest does not hold the socket. */
function linger(socket: Socket): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
