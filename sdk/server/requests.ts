/**
 * Requests under way on one connection: each is answered by its transaction, or the connection counts as dead.
 */
import type { Clock, Timer } from '../transport/environment.ts';
import type { ManagerMessage, ServerMessage } from '../wire/messages.ts';

type Request = Extract<ServerMessage, { readonly transaction: number }>;
/** A request without its transaction (a plain Omit would merge the union). */
export type Unnumbered = Request extends infer R
  ? R extends Request
    ? Omit<R, 'transaction'>
    : never
  : never;
export type Reply = Extract<ManagerMessage, { readonly transaction: number }>;

/** ms that a manager may take to answer a request. */
const ANSWER_TIMEOUT = 10_000;

export class Requests {
  private readonly waiting = new Map<
    number,
    { readonly done: (reply: Reply) => void; readonly timer: Timer }
  >();
  private readonly clock: Clock;
  private readonly send: (message: ServerMessage) => void;
  private readonly onOverdue: (what: string) => void;
  private transaction = 0;

  constructor(clock: Clock, send: (message: ServerMessage) => void, onOverdue: (what: string) => void) {
    this.clock = clock;
    this.send = send;
    this.onOverdue = onOverdue;
  }

  /** Sends a request; `done` gets its answer, and is not called if the connection ends before. */
  ask(request: Unnumbered, done: (reply: Reply) => void): void {
    this.transaction = this.transaction >= 0xffff_ffff ? 1 : this.transaction + 1;
    const transaction = this.transaction;
    const timer = this.clock.after('answer-timeout', ANSWER_TIMEOUT, () => this.onOverdue(request.type));
    this.waiting.set(transaction, { done, timer });
    this.send({ ...request, transaction } as ServerMessage);
  }

  /** Hands an answer to who waits for it; false if nobody does. */
  settle(reply: Reply): boolean {
    const request = this.waiting.get(reply.transaction);
    if (request === undefined) return false;
    this.waiting.delete(reply.transaction);
    request.timer.cancel();
    request.done(reply);
    return true;
  }

  /** The connection ended. */
  drop(): void {
    for (const { timer } of this.waiting.values()) timer.cancel();
    this.waiting.clear();
  }
}
