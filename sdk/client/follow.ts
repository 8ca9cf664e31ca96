/** Asks several in their order: who does not answer is not waited for before the next one is asked, too. */
import type { Clock } from '../transport/environment.ts';
import type { Address } from '../wire/address.ts';
import type { AnsweredManager } from '../wire/model.ts';
import type { Answer } from './answer.ts';
import { race } from './race.ts';

/** Where a manager or a GSLB is asked. */
export interface Asked {
  readonly address: Address;
  readonly port: number;
}

export interface FirstOptions {
  readonly clock: Clock;
  /** ms until the next one is asked. */
  readonly delay: number;
  readonly signal: AbortSignal | undefined;
  /** Rejects when it does not answer, or has nothing. */
  readonly ask: (asked: Asked, signal: AbortSignal) => Promise<Answer>;
}

/** The first addresses of all managers, best first, then the second ones: an address that is dead does not hold up another manager. */
export function inTurn(managers: readonly AnsweredManager[]): readonly Asked[] {
  const most = Math.max(0, ...managers.map(({ addresses }) => addresses.length));
  return Array.from({ length: most }, (_, turn) =>
    managers.flatMap(({ addresses, anycastPort: port }) =>
      addresses[turn] === undefined ? [] : [{ address: addresses[turn], port }],
    ),
  ).flat();
}

/** The first answer; undefined: nobody has one. Rejects with ABORT_ERR alone. */
export async function firstOf(
  asked: readonly Asked[],
  { clock, delay, signal, ask }: FirstOptions,
): Promise<Answer | undefined> {
  try {
    return (await race(asked, { clock, delay, attempt: ask, discard: () => {}, signal })).result;
  } catch (error) {
    if (signal?.aborted) throw error;
    return undefined;
  }
}
