/**
 * A connection to ospfd's API server that is kept: opened when there is an OSPF to speak of, opened again when ospfd restarts. One
 * stream carries requests and replies; ospfd opens another, to the port above the one that we come from, and tells there what happens.
 */
import { address } from '../../sdk/wire/address.ts';
import type { Clock, Listener, Log, Millis, Net, OpenVty, Stream, Timer } from '../host/ports.ts';
import {
  type ApiMessage,
  ApiReader,
  encodeDelete,
  encodeEvents,
  encodeOriginate,
  encodeRegister,
  encodeSyncLsdb,
  encodeSyncReachable,
  errorOf,
} from './ospf-api.ts';

/** ospfd answers in 1 ms; a connection that does not come, or a reply, is not waited for longer. */
const PATIENCE: Millis = 5000;
const FIRST_RETRY: Millis = 250;
const LAST_RETRY: Millis = 10_000;
/** Requests that ospfd has not answered: more, and it hangs. */
const MOST_OPEN = 16_384;
/** At a start OSPF is still being set up: that is no problem yet. */
const TRIES = 4;
const HERE = address('127.0.0.1');

export interface ApiClientOptions {
  readonly clock: Clock;
  readonly net: Net;
  readonly log: Log;
  readonly openVty: OpenVty;
  /** Directory of FRR's vty sockets. */
  readonly sockets: string;
  /** TCP port of the API server. */
  readonly port: number;
  /** The opaque type that is claimed; absent: nothing is flooded, all is heard. */
  readonly opaqueType: number | undefined;
  /** Connected, registered, and told of what there is. */
  readonly onUp: () => void;
  readonly onDown: () => void;
  /** What keeps it down, once that has lasted for some tries; undefined = nothing any more. */
  readonly onProblem: (problem: string | undefined) => void;
  /** An LSA, or which routers can be reached. */
  readonly onMessage: (message: ApiMessage) => void;
}

export class ApiClient {
  private readonly options: ApiClientOptions;
  private session: Session | undefined;
  private retry: Timer | undefined;
  private failures = 0;
  private closed = false;
  /** Why it is not up; undefined = it is. */
  problem: string | undefined = 'not reached yet';

  constructor(options: ApiClientOptions) {
    this.options = options;
    void this.attempt();
  }

  get up(): boolean {
    return this.problem === undefined;
  }

  /** Floods data under an id; nothing happens while it is not up. */
  originate(id: number, data: Uint8Array): void {
    const { opaqueType } = this.options;
    if (opaqueType === undefined || !this.up) return;
    this.send(sequence => encodeOriginate(sequence, { opaqueType, id, data }));
  }

  /** Takes an id's LSA back. */
  remove(id: number): void {
    const { opaqueType } = this.options;
    if (opaqueType === undefined || !this.up) return;
    this.send(sequence => encodeDelete(sequence, opaqueType, id));
  }

  /** Ends the connection: ospfd flushes all that was flooded. */
  close(): void {
    this.closed = true;
    this.retry?.cancel();
    this.session?.end();
    this.session = undefined;
    this.problem = 'closed';
  }

  /** What is refused is logged where it is read. */
  private send(encode: (sequence: number) => Uint8Array): void {
    this.session?.request(encode).catch(() => {});
  }

  private async attempt(): Promise<void> {
    const { log, opaqueType } = this.options;
    try {
      await this.readiness();
      if (this.closed) return;
      const session = new Session(this.options, reason => this.lost(session, reason));
      this.session = session;
      await session.open();
      await Promise.all([
        session.request(encodeEvents),
        ...(opaqueType === undefined
          ? []
          : [session.request(sequence => encodeRegister(sequence, opaqueType))]),
        session.request(encodeSyncReachable),
        session.request(encodeSyncLsdb),
      ]);
      if (this.closed || this.session !== session) return;
      this.problem = undefined;
      this.failures = 0;
      log('info', 'ospf-api-ready', { opaqueType });
      this.options.onProblem(undefined);
      this.options.onUp();
    } catch (error) {
      this.again((error as Error).message);
    }
  }

  /** ospfd 8.4 ends itself when it is asked anything before it has a `router ospf`: so its vty is asked first. */
  private async readiness(): Promise<void> {
    const vty = await this.options.openVty(`${this.options.sockets}/ospfd.vty`, () => {});
    try {
      const { text } = await vty.command('show ip ospf');
      if (!text.includes('Router ID')) throw new Error('ospfd has no `router ospf` yet');
      if (/OpaqueCapability flag is disabled/i.test(text))
        throw new Error('opaque LSAs are off: `router ospf` lacks `capability opaque`');
    } finally {
      vty.close();
    }
  }

  private lost(session: Session, reason: string): void {
    if (this.session !== session) return;
    this.session = undefined;
    const was = this.up;
    this.again(reason);
    if (was) this.options.onDown();
  }

  private again(reason: string): void {
    if (this.closed) return;
    this.session?.end();
    this.session = undefined;
    if (reason !== this.problem)
      this.options.log('warning', 'ospf-api-unreachable', {
        sentence: `notices do not go by OSPF: ${reason}`,
      });
    this.problem = reason;
    if (this.failures >= TRIES) this.options.onProblem(`notices do not go by OSPF: ${reason}`);
    this.retry?.cancel();
    const delay = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(this.failures++, 16));
    this.retry = this.options.clock.after('ospf-api', delay, () => void this.attempt());
  }
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One connection, of both streams. */
class Session {
  private readonly options: ApiClientOptions;
  private readonly onLost: (reason: string) => void;
  private readonly waiting = new Map<number, Waiting>();
  private listener: Listener | undefined;
  private requests: Stream | undefined;
  private notifications: Stream | undefined;
  private watchdog: Timer | undefined;
  private sequence = 0;
  private ended = false;

  constructor(options: ApiClientOptions, onLost: (reason: string) => void) {
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
