/** `pick`, all of it: asks, connects, and has further ways when that leads nowhere. */
import { BivouacError, type ErrorCode } from '../errors.ts';
import type { Environment } from '../transport/environment.ts';
import type { ManagerId } from '../wire/model.ts';
import type { CookieJar } from './cookies.ts';
import { type Picked, type PickOptions, pickFrom } from './pick.ts';
import { queryWith } from './query.ts';
import { questionOf, type Wanted } from './question.ts';
import { answerOfDns } from './srv.ts';

/** After these another way would be no better, or not what the caller wants. */
const FINAL: readonly ErrorCode[] = ['ABORT_ERR', 'EINVAL', 'EBADSIG', 'ENOLINK'];

/** Rejects with BivouacError: why the first way failed, whatever became of the others. */
export async function pickWith<T>(
  environment: Environment,
  cookies: CookieJar,
  what: string | Wanted,
  options: PickOptions<T>,
): Promise<Picked<T>> {
  const { clock } = environment;
  let failure: BivouacError | undefined;
  const tried = new Set<ManagerId>();
  for (let another = true; another; ) {
    another = false;
    try {
      const answer = await queryWith(environment, cookies, what, options, tried);
      if (answer.via !== undefined && !tried.has(answer.manager)) {
        tried.add(answer.manager);
        // Of a manager that a GSLB has not named there is no next one.
        another = true;
      }
      return await pickFrom<T>(clock, answer, what, options);
    } catch (error) {
      if (!(error instanceof BivouacError) || FINAL.includes(error.code)) throw error;
      failure ??= error;
    }
  }
  const authentic = options.signed ?? options.publicKey !== undefined;
  const known =
    authentic || options.link !== undefined ? undefined : await answerOfDns(environment, questionOf(what));
  if (known === undefined) throw failure!;
  return pickFrom<T>(clock, known, what, options);
}
