/**
 * Picks a server that can be used now: best first, and the next ones when it does not connect.
 */
import { connect, type Socket } from 'node:net';
import { aborted, BivouacError } from '../errors.ts';
import type { Clock } from '../transport/environment.ts';
import type { AnsweredServer, AnsweredService } from '../wire/model.ts';
import type { Answer } from './answer.ts';
import type { QueryOptions } from './options.ts';
import type { Wanted } from './question.ts';
import { portRanges } from './question.ts';
import { ATTEMPT_DELAY, RaceLost, race } from './race.ts';

/** One way to reach a service: a server's unique address and a port. */
export interface Candidate {
  readonly server: AnsweredServer;
  readonly service: AnsweredService;
  readonly address: string;
  readonly port: number;
}

export interface PickOptions<T = Socket> extends QueryOptions {
  /** ms between the starts of two connection attempts. Default 250, at least 10 (RFC 8305). */
  readonly attemptDelay?: number;
  /** ms that all connection attempts together may take. Default 10,000. */
  readonly connectTimeout?: number;
  /** False: no connection attempt, the best server is taken at its manager's word. Default: true for TCP. */
  readonly connect?: boolean;
  /** Connects in another way than by TCP (TLS, say). It must end when `signal` is aborted. */
  readonly dial?: (candidate: Candidate, signal: AbortSignal) => Promise<T>;
}

export interface Picked<T = Socket> extends Candidate {
  /** What connected; undefined where no attempt was made (UDP and SCTP services, `connect: false`). */
  readonly socket: T | undefined;
  readonly answer: Answer;
}

/** Servers that are tried at most. */
const MOST_CANDIDATES = 32;

/** One candidate a server, in the order of the answer: its best service that was asked for, at the port that was asked for. */
export function candidatesOf(answer: Answer, what: string | Wanted): Candidate[] {
  const asked = typeof what === 'string' || what.ports === undefined ? undefined : portRanges(what.ports);
  return answer.servers.slice(0, MOST_CANDIDATES).flatMap(server => {
    const service = [...server.services].sort((a, b) => b.score - a.score)[0];
    if (service === undefined || service.ports.length === 0) return [];
    const within = service.ports.find(range =>
      asked?.some(one => one.first >= range.first && one.first <= range.last),
    );
    const port = within === undefined ? service.ports[0]!.first : asked![0]!.first;
    return [{ server, service, address: server.address, port }];
  });
}

/** The first of the candidates that connects. Rejects with ENOTFOUND, ECONNECT, ESTALE or ABORT_ERR. */
export async function pickFrom<T = Socket>(
  clock: Clock,
  answer: Answer,
  what: string | Wanted,
  options: PickOptions<T>,
): Promise<Picked<T>> {
  const candidates = candidatesOf(answer, what);
  const best = candidates[0];
  if (best === undefined)
    throw new BivouacError('ENOTFOUND', `${answer.from} knows of no healthy server that matches`);
  if (!answer.fresh())
    throw new BivouacError('ESTALE', `the answer of ${answer.from} was over before it was used`);
  const byTcp = best.service.transport === 'tcp';
  if (options.connect === false || (!byTcp && options.dial === undefined))
    return { ...best, socket: undefined, answer };
  const limit = new AbortController();
  const { signal } = options;
  if (signal?.aborted) throw aborted(signal);
  const onAbort = (): void => limit.abort('caller');
  signal?.addEventListener('abort', onAbort);
  const timer = clock.after('connect-timeout', options.connectTimeout ?? 10_000, () =>
    limit.abort('timeout'),
  );
  const dial = options.dial ?? (dialTcp as unknown as NonNullable<PickOptions<T>['dial']>);
  try {
    const { candidate, result } = await race(candidates, {
      clock,
      delay: options.attemptDelay ?? ATTEMPT_DELAY.recommended,
      attempt: dial,
      discard: result => (result as { destroy?: () => void } | undefined)?.destroy?.(),
      signal: limit.signal,
    });
    return { ...candidate, socket: result, answer };
  } catch (error) {
    if (signal?.aborted) throw aborted(signal);
    const tried = candidates.map(one => `${one.address}:${one.port}`).join(', ');
    const errors = error instanceof RaceLost ? error.errors : [];
    const why = error instanceof RaceLost ? 'all failed' : 'none connected in time';
    throw new BivouacError('ECONNECT', `${tried}: ${why}`, { errors, cause: error });
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Node's own TCP connection to a candidate. */
function dialTcp({ address, port }: Candidate, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    const onAbort = (): void => {
      socket.destroy();
      reject(aborted(signal));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const done = (): void => signal.removeEventListener('abort', onAbort);
    const onError = (error: Error): void => {
      done();
      reject(error);
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      done();
      socket.off('error', onError);
      resolve(socket);
    });
  });
}
