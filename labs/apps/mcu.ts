/**
 * A conference server in the manner of H.323: node mcu.mjs --name NAME. It answers STATUS ENQUIRY and takes calls on tcp/1720,
 * opens a UDP port for each call's media as they do, and sends every media packet back to its sender.
 */
import { createSocket, type Socket as Media } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { decode, Element, encode, type Message, MessageType, userText } from './q931.ts';

const { values } = parseArgs({
  options: { name: { type: 'string', default: 'mcu' }, port: { type: 'string', default: '1720' } },
});

createServer(serve).listen(Number(values.port), '0.0.0.0', () =>
  console.log(`mcu ${values.name} on tcp/${values.port}`),
);

/** One signalling connection: any number of calls, which all end with it. */
function serve(socket: Socket): void {
  const calls = new Map<number, Media>();
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    try {
      for (let next = decode(pending); next; next = decode(pending)) {
        pending = next.rest;
        handle(socket, calls, next.message);
      }
    } catch (error) {
      console.log(`${socket.remoteAddress}: ${(error as Error).message}`);
      socket.destroy();
    }
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    for (const media of calls.values()) media.close();
  });
}

function handle(socket: Socket, calls: Map<number, Media>, message: Message): void {
  const { callReference } = message;
  const answer = (type: number, elements: [number, Uint8Array][]): void => {
    socket.write(
      encode({ type, callReference, fromCalled: !message.fromCalled, elements: new Map(elements) }),
    );
  };
  switch (message.type) {
    case MessageType.statusEnquiry:
      // Cause 30 is "response to STATUS ENQUIRY"; call state 10 is active, 0 null (Q.931 §4.5.7, §4.5.12).
      answer(MessageType.status, [
        [Element.cause, Uint8Array.of(0x80, 0x80 | 30)],
        [Element.callState, Uint8Array.of(calls.has(callReference) ? 10 : 0)],
      ]);
      return;
    case MessageType.setup: {
      if (calls.has(callReference)) return;
      const media = createSocket('udp4');
      calls.set(callReference, media);
      media.on('message', (packet, from) => media.send(packet, from.port, from.address));
      answer(MessageType.callProceeding, []);
      // On the address that was called: behind a VIP it is the VIP that answers.
      media.bind(0, socket.localAddress, () =>
        answer(MessageType.connect, [
          [Element.display, Buffer.from(values.name, 'latin1')],
          [Element.userUser, userText(`media=${media.address().port}`)],
        ]),
      );
      return;
    }
    case MessageType.releaseComplete:
      calls.get(callReference)?.close();
      calls.delete(callReference);
  }
}
