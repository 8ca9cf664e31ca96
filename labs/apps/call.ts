/** One call to a conference server, with media: signalling on TCP, RTP (RFC 3550) both ways on the UDP port that it names. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { decode, Element, encode, type Message, MessageType, readUserText } from './q931.ts';

export interface CallResult {
  /** Who answered. */
  readonly server: string;
  readonly mediaPort: number;
  /** Milliseconds from the connection's SYN to CONNECT. */
  readonly setup: number;
  readonly sent: number;
  readonly returned: number;
  /** Longest time between two returned packets, ms. */
  readonly longestGap: number;
}

export interface CallOptions {
  readonly address: string;
  readonly port: number;
  /** Milliseconds of media, a packet each 20 ms. */
  readonly duration: number;
}

const PACKET_INTERVAL = 20;
/** ITU-T G.711 µ-law, 20 ms: 160 octets behind the 12 of RTP's header. */
const PACKET = 172;

/** Calls, sends media for `duration`, hangs up. Rejects when the call is not answered. */
export async function call({ address, port, duration }: CallOptions): Promise<CallResult> {
  const callReference = 1 + Math.floor(Math.random() * 0x7ffe);
  const started = performance.now();
  const socket = connect({ host: address, port, timeout: 3000 });
  try {
    const answer = await new Promise<Message>((resolve, reject) => {
      let pending: Buffer = Buffer.alloc(0);
      socket.once('connect', () => {
        const elements = new Map([[Element.bearerCapability, Uint8Array.of(0x88, 0x93, 0xa5)]]);
        socket.write(encode({ type: MessageType.setup, callReference, fromCalled: false, elements }));
      });
      socket.on('data', (bytes: Buffer) => {
        pending = Buffer.concat([pending, bytes]);
        try {
          for (let next = decode(pending); next; next = decode(pending)) {
            pending = next.rest;
            if (next.message.type === MessageType.connect) resolve(next.message);
          }
        } catch (error) {
          reject(error as Error);
        }
      });
      socket.once('timeout', () =>
        reject(new Error(`${address}:${port} did not answer the call within 3 s`)),
      );
      socket.once('error', reject);
      socket.once('close', () => reject(new Error(`${address}:${port} closed before it answered the call`)));
    });
    const setup = performance.now() - started;
    const display = answer.elements.get(Element.display) ?? new Uint8Array();
    const mediaPort = Number(/^media=(\d+)$/.exec(readUserText(answer) ?? '')?.[1]);
    const media = await talk(address, mediaPort, duration);
    const hangUp = {
      type: MessageType.releaseComplete,
      callReference,
      fromCalled: false,
      elements: new Map(),
    };
    await new Promise<void>(resolve => socket.end(encode(hangUp), resolve));
    return { server: Buffer.from(display).toString('latin1'), mediaPort, setup, ...media };
  } finally {
    socket.destroy();
  }
}

/** ms for what was sent last to come back. */
const LAST_WAY_BACK = 1000;

/** Sends RTP packets and counts those that come back. */
async function talk(
  address: string,
  port: number,
  duration: number,
): Promise<Pick<CallResult, 'sent' | 'returned' | 'longestGap'>> {
  const socket = createSocket('udp4');
  let returned = 0;
  let longestGap = 0;
  let last = performance.now();
  let over = last;
  const progress = (): void => {
    longestGap = Math.max(longestGap, performance.now() - last);
    last = performance.now();
  };
  socket.on('message', packet => {
    if (packet.length !== PACKET) return;
    returned++;
    progress();
  });
  const packet = Buffer.alloc(PACKET, 0xff);
  let sent = 0;
  await new Promise<void>(resolve => {
    const timer = setInterval(() => {
      if (sent * PACKET_INTERVAL >= duration) {
        clearInterval(timer);
        over = performance.now();
        const waiting = setInterval(() => {
          if (returned < sent && performance.now() - over < LAST_WAY_BACK) return;
          clearInterval(waiting);
          resolve();
        }, PACKET_INTERVAL);
        return;
      }
      packet.writeUInt8(0x80, 0);
      packet.writeUInt8(0, 1);
      packet.writeUInt16BE(sent & 0xffff, 2);
      packet.writeUInt32BE(sent * 160, 4);
      packet.writeUInt32BE(0xb1b0_0ac0, 8);
      socket.send(packet, port, address);
      sent++;
    }, PACKET_INTERVAL);
  });
  // What was waited for the last is no gap.
  if (returned < sent) longestGap = Math.max(longestGap, over - last);
  socket.close();
  return { sent, returned, longestGap };
}
