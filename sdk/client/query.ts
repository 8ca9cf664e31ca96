/**
 * Asks for servers: finds whom to ask, asks, tries the next one.
 */
import { BivouacError } from '../errors.ts';
import type { Environment } from '../transport/environment.ts';
import { type Address, parseAddress } from '../wire/address.ts';
import { WELL_KNOWN } from '../wire/messages.ts';
import type { ManagerId } from '../wire/model.ts';
import type { Answer } from './answer.ts';
import { ask } from './ask.ts';
import { linkChannel, udpChannel } from './channel.ts';
import type { CookieJar } from './cookies.ts';
import { Exchange } from './exchange.ts';
import { type Asked, firstOf, inTurn } from './follow.ts';
import { DEFAULTS, type QueryOptions } from './options.ts';
import { invalid, type Question, questionOf, type Wanted } from './question.ts';
import { trustIn } from './trust.ts';

/** Rejects with BivouacError; the last one asked names the reason. `except`: managers that are passed over when a GSLB names them. */
export async function queryWith(
  environment: Environment,
  cookies: CookieJar,
  what: string | Wanted,
  options: QueryOptions,
  except: ReadonlySet<ManagerId> = new Set(),
): Promise<Answer> {
  const { timeout = DEFAULTS.timeout, retries = DEFAULTS.retries, signal, link } = options;
  const signed = options.signed ?? options.publicKey !== undefined;
  if (signed && options.publicKey === undefined)
    throw invalid('publicKey', undefined, 'the key of the manager whose signature is wanted');
  if (!(timeout > 0)) throw invalid('timeout', timeout, 'ms, more than 0');
  if (!Number.isInteger(retries) || retries < 0) throw invalid('retries', retries, '0 or more');
  const question = questionOf(what, options.want, signed);
  const trust = signed ? trustIn(options.publicKey!) : undefined;
  const { clock, random } = environment;
  const common = { clock, timeout, retries, signed };
  if (link !== undefined) {
    const exchange = new Exchange(question, { random, trust });
    return ask(linkChannel(environment, link, question.vip), exchange, {
      ...{ ...common, signal, whom: `link ${link}` },
    });
  }
  let failure: unknown;
  let none: Answer | undefined;
  const askAt = async (
    { address, port }: Asked,
    stop: AbortSignal | undefined,
    by?: Address,
  ): Promise<Answer | undefined> => {
    const exchange = new Exchange(question, {
      random,
      trust,
      source: { address, port },
      cookie: cookies.get(address),
    });
    try {
      const channel = udpChannel(environment, address, port);
      return await ask(channel, exchange, { ...common, signal: stop, whom: address, via: by });
    } catch (error) {
      if (error instanceof BivouacError && error.code === 'ABORT_ERR') throw error;
      failure = error;
      return undefined;
    } finally {
      cookies.set(address, exchange.cookie);
    }
  };
  const askManager =
    (by: Address) =>
    async (manager: Asked, stop: AbortSignal): Promise<Answer> => {
      const answer = await askAt(manager, stop, by);
      if (answer === undefined) throw failure;
      if (answer.servers.length > 0) return answer;
      none ??= answer;
      throw new BivouacError('ENOTFOUND', `${answer.from} has no healthy server that matches`);
    };
  const askAnyone = async (one: Asked, stop: AbortSignal): Promise<Answer> => {
    const answer = await askAt(one, stop);
    if (answer === undefined) throw failure;
    if (answer.managers.length === 0) return answer;
    const named = answer.managers.filter(({ manager }) => !except.has(manager));
    const ask = askManager(one.address);
    const found = await firstOf(inTurn(named), { clock, delay: timeout, signal: stop, ask });
    if (found !== undefined) return found;
    none ??= answer;
    throw new BivouacError('ENOTFOUND', `no manager that ${answer.from} named has servers that match`);
  };
  const port = options.port ?? WELL_KNOWN.anycastPort;
  const tried = new Set<Address>();
  for (const asked of [asGiven, asNamed]) {
    const all = new Set(await asked(environment, question, options.via));
    const left = [...all].filter(address => !tried.has(address)).map(address => ({ address, port }));
    for (const address of all) tried.add(address);
    const found = await firstOf(left, { clock, delay: timeout, signal, ask: askAnyone });
    if (found !== undefined) return found;
    if (none !== undefined) return none;
  }
  throw failure;
}

const asGiven = whomToAsk;

/** When nobody who was given answered: the VIPs that DNS has of the name. */
async function asNamed(
  environment: Environment,
  { name }: Question,
  via: QueryOptions['via'],
): Promise<readonly Address[]> {
  if (via === undefined || name === undefined) return [];
  return environment.resolve(name).catch(() => []);
}

async function whomToAsk(
  environment: Environment,
  question: Question,
  via: QueryOptions['via'],
): Promise<readonly Address[]> {
  if (via !== undefined) {
    const given = typeof via === 'string' ? [via] : via;
    const found = await Promise.all(
      given.map(async text => [parseAddress(text) ?? (await environment.resolve(text))].flat()),
    );
    if (found.flat().length > 0) return found.flat();
    throw new BivouacError('ENOTFOUND', `via: ${given.join(', ')} has no address`);
  }
  if (question.vip !== undefined) return [question.vip];
  const named = question.name === undefined ? [] : await environment.resolve(question.name);
  const asked = named.length > 0 ? named : environment.gateways();
  if (asked.length > 0) return asked;
  const about = question.name === undefined ? 'no VIP is given' : `${question.name} is not in DNS`;
  throw new BivouacError('ENOTFOUND', `nobody to ask: ${about} and there is no default router; give 'via'`);
}
