/**
 * `bivouac gslb explain NAME --client ADDRESS`: what a client is answered, and why. `bivouac gslb override NAME SITE…|off`: sends everybody
 * there. Exit status: 0 done, 1 nobody serves, no GSLB, or refused, 2 usage.
 */
import { parseArgs } from 'node:util';
import type { Answer, Request } from '../operator/local.ts';
import { OPTIONS } from './options.ts';
import { ask, DEFAULT_SOCKET, formatTable } from './show.ts';

const USAGE = `usage: bivouac gslb explain NAME --client ADDRESS [--json] [--socket PATH]
       bivouac gslb override NAME SITE... | off [--json] [--socket PATH]
       bivouac gslb override [--json] [--socket PATH]

explain says where a client that asks for NAME is sent, best first, and why.
override sends all clients of NAME (www.example, *.example, *) to the first SITE that serves (a site, a manager
or a VIP), whatever policies say, until it is off; it outlives a restart. Without NAME: shows what is overridden.

  --client ADDRESS   the client, or the resolver that asks for it
  --json             for programs: one array
  --socket PATH      where the GSLB listens (default ${DEFAULT_SOCKET})`;

export async function gslb(args: string[]): Promise<number> {
  let parsed: { readonly values: Values; readonly positionals: readonly string[] };
  let request: Request;
  try {
    parsed = parseArgs({ args, allowPositionals: true, options: OPTIONS.gslb });
    if (parsed.values.help) {
      console.log(USAGE);
      return 0;
    }
    request = requestOf(parsed.positionals, parsed.values);
  } catch (error) {
    console.error(`bivouac gslb: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  const { json, socket = DEFAULT_SOCKET } = parsed.values;
  let answer: Answer;
  try {
    answer = await ask(socket, request);
  } catch (error) {
    answer = { error: `no GSLB answers at ${socket}: ${(error as Error).message}` };
  }
  if ('error' in answer) {
    console.error(`bivouac gslb: ${answer.error}`);
    return 1;
  }
  const explained = request.show === 'explain';
  if (explained && answer.rows.length === 0) {
    console.error('bivouac gslb: this manager is no GSLB');
    return 1;
  }
  console.log(json ? JSON.stringify(answer.rows, null, 2) : formatTable(answer.rows));
  return explained && answer.rows.length === 1 ? 1 : 0;
}

interface Values {
  readonly client?: string;
  readonly json?: boolean;
  readonly socket?: string;
  readonly help?: boolean;
}

/** Throws a sentence for what is no request. */
function requestOf([verb, name, ...to]: readonly string[], { client }: Values): Request {
  const plain = name?.toLowerCase().replace(/\.$/, '');
  if (verb === 'override') {
    if (client !== undefined) throw new Error('--client goes with explain');
    if (plain === undefined) return { show: 'overrides' };
    if (to.length === 0) throw new Error(`override ${plain} to which site? or off`);
    return { do: 'override', name: plain, to: to.length === 1 && to[0] === 'off' ? [] : to };
  }
  if (verb !== 'explain') throw new Error(verb === undefined ? 'explain or override?' : `what is '${verb}'?`);
  if (plain === undefined || to.length > 0) throw new Error('explain wants one NAME');
  if (client === undefined) throw new Error('--client says who asks');
  return { show: 'explain', name: plain, client };
}
