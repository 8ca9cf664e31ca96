/**
 * Runs one exchange over a channel: transmits, waits, transmits again, and ends with an answer or a BivouacError.
 */
import { aborted, BivouacError } from '../errors.ts';
import type { Clock, Timer } from '../transport/environment.ts';
import type { Address } from '../wire/address.ts';
import { Answer } from './answer.ts';
import type { Channel, OpenChannel } from './channel.ts';
import type { Exchange, Received } from './exchange.ts';

/** After an ICMP refusal, how long to wait before the next transmission: a manager that restarts is back within that. */
const REFUSED_PAUSE = 250;

export interface AskOptions {
  readonly clock: Clock;
  /** ms for each transmission. */
  readonly timeout: number;
  readonly retries: number;
  readonly signed: boolean;
  /** For messages: who is asked. */
  readonly whom: string;
  /** Who named whom is asked. */
  readonly via?: Address | undefined;
  readonly signal?: AbortSignal | undefined;
}

export function ask(open: OpenChannel, exchange: Exchange, options: AskOptions): Promise<Answer> {
  return new Promise((resolve, reject) => new Asking(open, exchange, options, resolve, reject).start());
}

class Asking {
  private readonly open: OpenChannel;
  private readonly exchange: Exchange;
  private readonly options: AskOptions;
  private readonly resolve: (answer: Answer) => void;
  private readonly reject: (error: Error) => void;
  private channel: Channel | undefined;
  private timer: Timer | undefined;
  private left: number;
  private settled = false;
  /** What to say at the end if nothing better comes. */
  private complaint: BivouacError | undefined;

  constructor(
    open: OpenChannel,
    exchange: Exchange,
    options: AskOptions,
    resolve: (answer: Answer) => void,
    reject: (error: Error) => void,
  ) {
    this.open = open;
    this.exchange = exchange;
    this.options = options;
    this.resolve = resolve;
    this.reject = reject;
    this.left = options.retries;
  }

  start(): void {
    const { signal } = this.options;
    if (signal?.aborted) {
      this.fail(aborted(signal));
      return;
    }
    signal?.addEventListener('abort', this.onAbort);
    this.open(
      (bytes, address, port) => this.hear(bytes, address, port),
      error => this.unreachable(error),
    ).then(
      channel => {
        if (this.settled) {
          channel.close();
          return;
        }
        this.channel = channel;
        this.transmit();
      },
      (error: Error) => this.fail(error),
    );
  }

  private readonly onAbort = (): void => this.fail(aborted(this.options.signal!));

  private transmit(): void {
    this.timer?.cancel();
    this.timer = this.options.clock.after('query-timeout', this.options.timeout, () => this.overdue());
    this.channel?.send(this.exchange.transmit(this.options.clock.now()));
  }

  private overdue(): void {
    if (this.left-- > 0) this.transmit();
    else this.fail(this.complaint ?? this.nobody());
  }

  private nobody(): BivouacError {
    const { whom, timeout, retries } = this.options;
    if (this.exchange.ignored.has('bad-signature'))
      return new BivouacError('EBADSIG', `${whom} answered, but not with the signature of a trusted manager`);
    return new BivouacError('ETIMEOUT', `no answer from ${whom} within ${retries + 1} × ${timeout} ms`);
  }

  private unreachable(error: string): void {
    if (this.settled) return;
    this.complaint = error.includes('ECONNREFUSED')
      ? new BivouacError('ECONNREFUSED', `${this.options.whom}: nothing listens there (${error})`)
      : new BivouacError('ETIMEOUT', `${this.options.whom} cannot be reached: ${error}`);
    const pause = Math.min(REFUSED_PAUSE, this.options.timeout);
    this.timer?.cancel();
    this.timer = this.options.clock.after('query-refused', pause, () => this.overdue());
  }

  private hear(bytes: Uint8Array, address: Address, port: number): void {
    if (this.settled) return;
    this.act(this.exchange.receive(bytes, address, port, this.options.clock.now()), address);
  }

  private act(received: Received, from: Address): void {
    if (received.kind === 'repeat') this.transmit();
    else if (received.kind === 'complete') this.finish(received, from);
    else if (received.kind === 'refused') {
      const { code: refusal, sentence } = received;
      const said = sentence === '' ? refusal : sentence;
      const error = new BivouacError('EREFUSED', `${this.options.whom} refused: ${said}`, { refusal });
      // A refusal bears no signature: who wants signed answers waits whether a true one comes.
      if (this.options.signed) this.complaint = error;
      else this.fail(error);
    }
  }

  private finish({ assembly, sent }: Extract<Received, { kind: 'complete' }>, from: Address): void {
    const { manager, vip, omitted = 0, managers } = assembly.first!;
    this.end();
    this.resolve(
      new Answer(this.options.clock, {
        servers: assembly.servers(),
        manager,
        from,
        vip,
        omitted,
        roundTrip: assembly.began! - sent,
        signed: this.options.signed,
        expires: assembly.expires,
        managers: managers?.list ?? [],
        via: this.options.via,
      }),
    );
  }

  private fail(error: Error): void {
    if (this.settled) return;
    this.end();
    this.reject(error);
  }

  private end(): void {
    this.settled = true;
    this.timer?.cancel();
    this.channel?.close();
    this.options.signal?.removeEventListener('abort', this.onAbort);
  }
}
