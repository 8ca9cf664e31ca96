/**
 * `bivouac query`: which servers serve, and how healthy they are; as handy as `arping` and `dig`.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Wanted } from '../../sdk/client/question.ts';
import { Resolver } from '../../sdk/client/resolver.ts';
import { BivouacError } from '../../sdk/errors.ts';
import { nodeEnvironment } from '../../sdk/transport/node.ts';
import { parseAddress } from '../../sdk/wire/address.ts';
import type { Transport } from '../../sdk/wire/model.ts';
import { linuxLinks } from '../host/links.ts';
import { OPTIONS } from './options.ts';
import { answerJson, formatAnswer, formatChange, formatRoundTrips } from './query-format.ts';

const USAGE = `usage: bivouac query [NAME | VIP] [OPTIONS]

Asks by anycast ARP which servers serve, and prints them best first. What is left out is a wildcard.

  --protocol NAME    application protocol: h323, http, dns…
  --transport NAME   tcp, udp or sctp
  --port PORTS       1720, 5000-5100; may be given several times
  --via ADDRESS      whom to ask (default: the VIP itself; what DNS says of the name; the default router)
  --link INTERFACE   ask by ARP on a link instead of UDP (needs CAP_NET_RAW)
  --want N           at most N servers
  --signed           take signed answers only; with --key
  --key FILE         the manager's certificate or public key, PEM
  --timeout MS       wait so long for each of the three transmissions (default 1000)
  --retries N        transmit again so often (default 2)
  --count N          ask N times, one second apart, and sum up
  --interval MS      between those (default 1000)
  --watch            print changes as they come, until interrupted
  --json             for programs: one object; one a line with --count and --watch

Exit status: 0 servers were found, 1 nothing healthy matches, 2 usage, 3 no answer.`;

interface Request {
  readonly what: Wanted;
  readonly resolver: Resolver;
  readonly count: number;
  readonly interval: number;
  readonly watch: boolean;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

export async function query(args: string[]): Promise<number> {
  const interrupted = new AbortController();
  let request: Request | undefined;
  try {
    request = read(args, interrupted.signal);
  } catch (error) {
    console.error(`bivouac query: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (request === undefined) {
    console.log(USAGE);
    return 0;
  }
  const onSignal = (): void => interrupted.abort();
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    if (request.watch) return await watch(request);
    return await ask(request);
  } catch (error) {
    if (!(error instanceof BivouacError)) throw error;
    if (error.code === 'ABORT_ERR') return 3;
    console.error(`bivouac query: ${error.message}`);
    return error.code === 'EINVAL' ? 2 : 3;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

/** Undefined: help was asked for. */
function read(args: string[], signal: AbortSignal): Request | undefined {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: OPTIONS.query });
  if (values.help) return undefined;
  if (positionals.length > 1) throw new Error(`one NAME or VIP, not ${positionals.length}`);
  const [about] = positionals;
  const named =
    about === undefined ? {} : parseAddress(about) === undefined ? { name: about } : { vip: about };
  const { protocol, transport, port, via, link, key, signed, watch = false, json = false } = values;
  const number = (option: 'want' | 'timeout' | 'retries' | 'count' | 'interval', least: number) => {
    const text = values[option];
    if (text === undefined) return undefined;
    if (!/^\d{1,9}$/.test(text) || Number(text) < least)
      throw new Error(`--${option} ${text}: a whole number, at least ${least}`);
    return Number(text);
  };
  const want = number('want', 1);
  const timeout = number('timeout', 1);
  const retries = number('retries', 0);
  if (signed === true && key === undefined)
    throw new Error("--signed needs --key, the manager's certificate");
  return {
    what: {
      ...named,
      ...(protocol !== undefined && { protocol }),
      ...(transport !== undefined && { transport: transport as Transport }),
      ...(port !== undefined && { ports: port.flatMap(text => text.split(',')) }),
    },
    resolver: new Resolver({
      environment: { ...nodeEnvironment(), links: () => linuxLinks() },
      ...(via !== undefined && { via }),
      ...(link !== undefined && { link }),
      ...(key !== undefined && { publicKey: readFileSync(key, 'utf8') }),
      ...(want !== undefined && { want }),
      ...(timeout !== undefined && { timeout }),
      ...(retries !== undefined && { retries }),
      signal,
    }),
    count: number('count', 1) ?? 1,
    interval: number('interval', 1) ?? 1000,
    watch,
    json,
    signal,
  };
}

async function ask({ what, resolver, count, interval, json, signal }: Request): Promise<number> {
  const roundTrips: number[] = [];
  let asked = 0;
  let found = false;
  let failure: BivouacError | undefined;
  for (; asked < count && !signal.aborted; asked++) {
    if (asked > 0) await pause(interval, signal);
    if (signal.aborted) break;
    try {
      const answer = await resolver.query(what);
      roundTrips.push(answer.roundTrip);
      found ||= answer.servers.length > 0;
      if (json) console.log(JSON.stringify(answerJson(answer), null, count === 1 ? 2 : 0));
      else console.log(formatAnswer(answer));
    } catch (error) {
      if (count === 1 || !(error instanceof BivouacError) || error.code === 'EINVAL') throw error;
      failure = error;
      if (error.code !== 'ABORT_ERR') console.error(`bivouac query: ${error.message}`);
    }
  }
  if (count > 1 && !json) console.log(formatRoundTrips(asked, roundTrips));
  if (roundTrips.length === 0 && failure !== undefined) return 3;
  return found ? 0 : 1;
}

async function watch({ what, resolver, json }: Request): Promise<number> {
  let found = false;
  for await (const change of resolver.watch(what)) {
    found = change.servers.length > 0;
    const { servers, added, removed, changed, error } = change;
    const time = new Date().toISOString();
    if (json)
      console.log(JSON.stringify({ time, servers, added, removed, changed, error: error?.code ?? null }));
    else console.log(formatChange(change, time.slice(11, 23)));
  }
  return found ? 0 : 1;
}

function pause(delay: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, delay);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
