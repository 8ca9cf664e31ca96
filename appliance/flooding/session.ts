/**
 * One connection to ospfd's API server. One stream carries requests and replies; ospfd opens another, to the port above the one that we
 * come from, and tells there what happens.
 */
import { address } from '../../sdk/wire/address.ts';
import type { Clock, Listener, Log, Millis, Net, Stream, Timer } from '../host/ports.ts';
import { type ApiMessage, ApiReader, errorOf } from './ospf-api.ts';

/** ospfd answers in 1 ms; a connection that does not come, or a reply, is not waited for longer. */
const PATIENCE: Millis = 5000;
/** Requests that ospfd has not answered: more, and it hangs. */
const MOST_OPEN = 16_384;
const HERE = address('127.0.0.1');

export interface SessionOptions {
  readonly clock: Clock;
  readonly net: Net;
  readonly log: Log;
  /** TCP port of the API server. */
  readonly port: number;
  /** An LSA, or which routers can be reached. */
  readonly onMessage: (message: ApiMessage) => void;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One connection, of both streams. */
export class Session {
  private readonly options: SessionOptions;
  private readonly onLost: (reason: string) => void;
  private readonly waiting = new Map<number, Waiting>();
  private listener: Listener | undefined;
  private requests: Stream | undefined;
  private notifications: Stream | undefined;
  private watchdog: Timer | undefined;
  private sequence = 0;
  private ended = false;

  constructor(options: SessionOptions, onLost: (reason: string) => void) {
    this.options = options;
    this.onLost = onLost;
  }

  /** Resolves when ospfd has connected back. */
  async open(): Promise<void> {
    const { net, clock, port } = this.options;
    let opened = (): void => {};
    let failed = (_: Error): void => {};
    const both = new Promise<void>((resolve, reject) => {
      opened = resolve;
      failed = reject;
    });
    // Whatever ends it before, this is not left unhandled.
    both.catch(() => {});
    this.listener = await net.listen(
      { address: HERE, port: 0, backlog: 1 },
      stream => this.accept(stream, opened),
      () => {},
    );
    const limit = clock.after('ospf-api-open', PATIENCE, () =>
      this.end(`ospfd did not connect back within ${PATIENCE} ms`),
    );
    const reader = new ApiReader();
    this.requests = net.connect(
      { address: HERE, port, from: HERE, fromPort: this.listener.port - 1 },
      {
        onData: bytes => this.read(reader, bytes),
        onClose: error => {
          const refused = error?.includes('ECONNREFUSED') ?? false;
          const why = refused
            ? `nobody listens at port ${port}: start ospfd with -a (ospfd_options in /etc/frr/daemons)`
            : (error ?? 'ospfd closed the connection');
          failed(new Error(why));
          this.end(why);
        },
      },
    );
    try {
      await both;
    } finally {
      limit.cancel();
      this.listener?.close();
      this.listener = undefined;
    }
  }

  /** Sends one request; rejects with what ospfd has against it. */
  request(encode: (sequence: number) => Uint8Array): Promise<void> {
    if (this.ended) return Promise.reject(new Error('the connection has ended'));
    if (this.waiting.size >= MOST_OPEN) {
      this.end(`ospfd leaves ${MOST_OPEN} requests unanswered`);
      return Promise.reject(new Error('too many requests'));
    }
    this.sequence = (this.sequence % 0x7fffffff) + 1;
    const { sequence } = this;
    const reply = new Promise<void>((resolve, reject) => this.waiting.set(sequence, { resolve, reject }));
    reply.catch((error: Error) => {
      if (!this.ended)
        this.options.log('warning', 'ospf-api-refused', { sentence: `ospfd: ${error.message}` });
    });
    this.requests?.write(encode(sequence));
    this.watchdog ??= this.options.clock.after('ospf-api-reply', PATIENCE, () =>
      this.end('ospfd does not reply'),
    );
    return reply;
  }

  end(reason = 'closed'): void {
    if (this.ended) return;
    this.ended = true;
    this.watchdog?.cancel();
    this.listener?.close();
    // What was written is still sent: a farewell goes before the end.
    this.requests?.end();
    this.notifications?.destroy();
    for (const { reject } of this.waiting.values()) reject(new Error(reason));
    this.waiting.clear();
    this.onLost(reason);
  }

  private accept(stream: Stream, opened: () => void) {
    const first = this.notifications === undefined && !this.ended;
    if (first) this.notifications = stream;
    else stream.destroy();
    const reader = new ApiReader();
    if (first) opened();
    return {
      onData: (bytes: Uint8Array) => first && this.read(reader, bytes),
      onClose: () => first && this.end('ospfd closed the connection'),
    };
  }

  private read(reader: ApiReader, bytes: Uint8Array): void {
    if (this.ended) return;
    try {
      for (const message of reader.push(bytes))
        if (message.type === 'reply') this.settle(message.sequence, message.code);
        else if (message.type !== 'other') this.options.onMessage(message);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.end(error.message);
    }
  }

  private settle(sequence: number, code: number): void {
    const waiting = this.waiting.get(sequence);
    this.waiting.delete(sequence);
    this.watchdog?.cancel();
    this.watchdog =
      this.waiting.size === 0
        ? undefined
        : this.options.clock.after('ospf-api-reply', PATIENCE, () => this.end('ospfd does not reply'));
    if (code === 0) waiting?.resolve();
    else waiting?.reject(new Error(errorOf(code)));
  }
}
