/** The managers that a GSLB has named, asked best first; who does not answer is not waited for before the next one is asked, too. */
import type { Clock } from '../transport/environment.ts';
import type { Address } from '../wire/address.ts';
import type { AnsweredManager } from '../wire/model.ts';
import type { Answer } from './answer.ts';
import { race } from './race.ts';

/** Where a manager is asked. */
export interface Asked {
  readonly address: Address;
  readonly port: number;
}

export interface FollowOptions {
  readonly clock: Clock;
  /** ms until the next one is asked. */
  readonly delay: number;
  readonly signal: AbortSignal | undefined;
  /** Rejects when it does not answer, or has no servers. */
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

/** The first answer with servers; undefined: none of them has any, or answers. Rejects with ABORT_ERR alone. */
export async function follow(
  managers: readonly AnsweredManager[],
  { clock, delay, signal, ask }: FollowOptions,
): Promise<Answer | undefined> {
  try {
    const options = { clock, delay, attempt: ask, discard: () => {}, signal };
    return (await race(inTurn(managers), options)).result;
  } catch (error) {
    if (signal?.aborted) throw error;
    return undefined;
  }
}
