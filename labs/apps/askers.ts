/** Ways to ask a server who it is, once and quickly, without waiting for earlier questions. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

export interface Asker {
  ask(): void;
}

/** `asked`: when the question was put (performance.now()). */
type OnAnswer = (server: string, asked: number) => void;
type OnFailure = (reason: string, asked: number) => void;

/** A question that has no answer after so many milliseconds has failed. */
const PATIENCE = 2000;
const MOST_OPEN = 1000;

/** A new TCP connection and `GET /` each time. */
export function httpAsker(address: string, port: number, onAnswer: OnAnswer, onFailure: OnFailure): Asker {
  let open = 0;
  return {
    ask() {
      const asked = performance.now();
      if (open >= MOST_OPEN) return onFailure('too many unanswered', asked);
      open++;
      const socket = connect({ host: address, port });
      let text = '';
      let done = false;
      const finish = (reason?: string): void => {
        if (done) return;
        done = true;
        open--;
        clearTimeout(timer);
        socket.destroy();
        if (reason) onFailure(reason, asked);
        else onAnswer(text.slice(text.indexOf('\r\n\r\n') + 4).trim(), asked);
      };
      const timer = setTimeout(finish, PATIENCE, 'timeout');
      socket.once('connect', () =>
        socket.write(`GET / HTTP/1.1\r\nHost: ${address}\r\nConnection: close\r\n\r\n`),
      );
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk;
      });
      socket.once('end', () => finish(/^HTTP\/1.1 200 .*\r\n\r\n./s.test(text) ? undefined : 'cut short'));
      socket.once('error', error => finish((error as NodeJS.ErrnoException).code ?? error.message));
    },
  };
}

/** One UDP flow to the echo port; a datagram each time. */
export function udpAsker(address: string, port: number, onAnswer: OnAnswer, onFailure: OnFailure): Asker {
  const socket = createSocket('udp4');
  const waiting = new Map<string, { readonly asked: number; readonly timer: NodeJS.Timeout }>();
  let next = 0;
  /** When the question was put, if nobody has settled it yet. */
  const settle = (id: string): number | undefined => {
    const question = waiting.get(id);
    clearTimeout(question?.timer);
    waiting.delete(id);
    return question?.asked;
  };
  socket.on('message', packet => {
    const [server = '', id = ''] = packet.toString('latin1').split(' ');
    const asked = settle(id);
    if (asked !== undefined) onAnswer(server, asked);
  });
  // ICMP's refusals: the question they are about is not told.
  socket.on('error', () => {});
  return {
    ask() {
      const id = String(next++);
      const asked = performance.now();
      const timer = setTimeout(() => {
        if (settle(id) !== undefined) onFailure('timeout', asked);
      }, PATIENCE);
      waiting.set(id, { asked, timer });
      socket.send(id, port, address);
    },
  };
}
