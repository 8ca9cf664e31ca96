/**
 * One HTTP listener: reads the head of one request a connection, answers, and closes.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Clock, Listener, Millis, Net, Stream, StreamHandlers } from '../host/ports.ts';
import { type HttpRequest, RequestReader } from './request.ts';
import { refusal } from './response.ts';

/** A connection that has not sent the head of a request by then is answered 408; one that was answered may take as long again to close. */
export const PATIENCE: Millis = 5_000;
/** After the answer, what still comes is read and dropped for so long, lest a reset overtake the answer (RFC 9112 §9.6). */
export const LINGER: Millis = 1_000;
/** Connections at once: of all listeners (each has a buffer of LONGEST_HEAD bytes), of one, and of one address there. */
export const MOST_OF_ALL = 4_096;
export const MOST_CONNECTIONS = 1_024;
export const MOST_OF_ONE = 64;

export type Outcome = 'redirected' | 'nothing-up' | 'malformed' | 'timeout' | 'limit' | 'gone';

export interface HttpListenerOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly address: Address;
  /** What to answer, and what to count it as. */
  readonly answer: (request: HttpRequest) => { readonly outcome: Outcome; readonly bytes: Uint8Array };
  readonly count: (outcome: Outcome) => void;
  /** Connections of all listeners: the same value for each of them. */
  readonly crowd: { open: number };
}

/** Listens on a port that the system chooses. Rejects when it cannot. */
export async function listenHttp(options: HttpListenerOptions): Promise<Listener> {
  const { net, address, crowd } = options;
  const streams = new Set<Stream>();
  const perPeer = new Map<Address, number>();
  const listener = await net.listen(
    { address, port: 0 },
    (stream, peer) => {
      const mine = perPeer.get(peer.address) ?? 0;
      if (crowd.open >= MOST_OF_ALL || streams.size >= MOST_CONNECTIONS || mine >= MOST_OF_ONE) {
        options.count('limit');
        stream.destroy();
        return { onData() {}, onClose() {} };
      }
      streams.add(stream);
      crowd.open++;
      perPeer.set(peer.address, mine + 1);
      return serve(stream, options, () => {
        streams.delete(stream);
        crowd.open--;
        const left = (perPeer.get(peer.address) ?? 1) - 1;
        if (left === 0) perPeer.delete(peer.address);
        else perPeer.set(peer.address, left);
      });
    },
    () => {},
  );
  return {
    port: listener.port,
    close() {
      listener.close();
      for (const stream of streams) stream.destroy();
    },
  };
}

function serve(
  stream: Stream,
  { clock, answer, count }: HttpListenerOptions,
  onGone: () => void,
): StreamHandlers {
  const reader = new RequestReader();
  let answered = false;
  const reply = (outcome: Outcome, bytes: Uint8Array): void => {
    answered = true;
    count(outcome);
    timer.cancel();
    stream.write(bytes);
    stream.end();
    timer = clock.after('redirect-linger', LINGER, () => stream.destroy());
  };
  let timer = clock.after('redirect-patience', PATIENCE, () =>
    reply('timeout', refusal(408, 'no request came')),
  );
  return {
    onData(chunk) {
      if (answered) return;
      const read = reader.push(chunk);
      if (read === undefined) return;
      if ('status' in read) reply('malformed', refusal(read.status, read.sentence));
      else {
        const { outcome, bytes } = answer(read);
        reply(outcome, bytes);
      }
    },
    onClose() {
      timer.cancel();
      if (!answered) count('gone');
      onGone();
    },
  };
}
