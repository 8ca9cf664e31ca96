/**
 * The one error that the SDK throws. Its codes are stable: programs decide by them, people read the message.
 */
import type { RefusalCode } from './wire/messages.ts';

/**
 * - `ETIMEOUT` nobody answered in time; `ECONNREFUSED` the far host is there, but nothing listens at the port
 * - `EREFUSED` the manager refused, and said why (`refusal`); `EBADSIG` answers came, but none with a trusted signature
 * - `ENOTFOUND` nothing matches, or there is nobody to ask; `ECONNECT` servers match, but none could be connected to
 * - `EINVAL` an argument is wrong; `ENOLINK` the interface cannot be used; `ESTALE` a result outlived its validity
 * - `ELOST` the manager was lost; `ABORT_ERR` the caller's signal was aborted (then `name` is `AbortError`, as in Node)
 */
export type ErrorCode =
  | 'ETIMEOUT'
  | 'ECONNREFUSED'
  | 'EREFUSED'
  | 'EBADSIG'
  | 'ENOTFOUND'
  | 'ECONNECT'
  | 'EINVAL'
  | 'ENOLINK'
  | 'ESTALE'
  | 'ELOST'
  | 'ABORT_ERR';

export class BivouacError extends Error {
  readonly code: ErrorCode;
  /** With `EREFUSED`: the manager's code (docs/protocol.md, Error codes). */
  readonly refusal: RefusalCode | undefined;
  /** With `ECONNECT`: why each attempt failed, best server first. */
  readonly errors: readonly unknown[];

  constructor(
    code: ErrorCode,
    message: string,
    more: {
      readonly cause?: unknown;
      readonly refusal?: RefusalCode;
      readonly errors?: readonly unknown[];
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = code === 'ABORT_ERR' ? 'AbortError' : 'BivouacError';
    this.code = code;
    this.refusal = more.refusal;
    this.errors = more.errors ?? [];
  }
}

/** What a call rejects with when its signal is aborted. */
export const aborted = (signal: AbortSignal): BivouacError =>
  new BivouacError('ABORT_ERR', 'the operation was aborted', { cause: signal.reason });
