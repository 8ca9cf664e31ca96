/**
 * Asks for servers: finds whom to ask, asks, tries the next one.
 */
import { BivouacError } from '../errors.ts';
import type { Environment } from '../transport/environment.ts';
import { type Address, parseAddress } from '../wire/address.ts';
import { WELL_KNOWN } from '../wire/messages.ts';
import type { Answer } from './answer.ts';
import { ask } from './ask.ts';
import { linkChannel, udpChannel } from './channel.ts';
import type { CookieJar } from './cookies.ts';
import { Exchange } from './exchange.ts';
import { DEFAULTS, type QueryOptions } from './options.ts';
import { invalid, type Question, questionOf, type Wanted } from './question.ts';
import { trustIn } from './trust.ts';

/** Rejects with BivouacError; the last one asked names the reason. */
export async function queryWith(
  environment: Environment,
  cookies: CookieJar,
  what: string | Wanted,
  options: QueryOptions,
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
  const common = { clock, timeout, retries, signed, signal };
  if (link !== undefined) {
    const exchange = new Exchange(question, { random, trust });
    return ask(linkChannel(environment, link, question.vip), exchange, { ...common, whom: `link ${link}` });
  }
  let failure: unknown;
  let none: Answer | undefined;
  const askAt = async (about: Question, address: Address, port: number): Promise<Answer | undefined> => {
    const exchange = new Exchange(about, {
      random,
      trust,
      source: { address, port },
      cookie: cookies.get(address),
    });
    try {
      return await ask(udpChannel(environment, address, port), exchange, { ...common, whom: address });
    } catch (error) {
      failure = error;
      if (error instanceof BivouacError && error.code === 'ABORT_ERR') throw error;
      return undefined;
    } finally {
      cookies.set(address, exchange.cookie);
    }
  };
  /** A GSLB names managers: they are asked in their order, until one has servers. */
  const follow = async (answer: Answer): Promise<Answer | undefined> => {
    for (const { addresses, anycastPort } of answer.managers)
      for (const address of addresses) {
        const next = await askAt(question, address, anycastPort);
        if (next === undefined) continue;
        if (next.servers.length > 0) return next;
        none ??= next;
        break;
      }
    return undefined;
  };
  const port = options.port ?? WELL_KNOWN.anycastPort;
  const tried = new Set<Address>();
  for (const asked of [asGiven, asNamed]) {
    for (const address of await asked(environment, question, options.via)) {
      if (tried.has(address)) continue;
      tried.add(address);
      const answer = await askAt(question, address, port);
      if (answer === undefined) continue;
      if (answer.managers.length === 0) return answer;
      const found = await follow(answer);
      if (found !== undefined) return found;
      none ??= answer;
    }
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
