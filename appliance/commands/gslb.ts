/**
 * `bivouac gslb explain NAME --client ADDRESS`: what a client is answered, and why. Exit status: 0 shown, 1 nobody serves or no GSLB, 2 usage.
 */
import { parseArgs } from 'node:util';
import { OPTIONS } from './options.ts';
import { ask, DEFAULT_SOCKET, formatTable } from './show.ts';

const USAGE = `usage: bivouac gslb explain NAME --client ADDRESS [--json] [--socket PATH]

Says where a client that asks for NAME is sent, best first, and why.

  --client ADDRESS   the client, or the resolver that asks for it
  --json             for programs: one array
  --socket PATH      where the GSLB listens (default ${DEFAULT_SOCKET})`;

export async function gslb(args: string[]): Promise<number> {
  let parsed: { readonly values: Values; readonly positionals: readonly string[] };
  try {
    parsed = parseArgs({ args, allowPositionals: true, options: OPTIONS.gslb });
    if (parsed.values.help) {
      console.log(USAGE);
      return 0;
    }
    const [verb, name, ...more] = parsed.positionals;
    if (verb !== 'explain' || name === undefined || more.length > 0)
      throw new Error('explain NAME is what it does');
    if (parsed.values.client === undefined) throw new Error('--client says who asks');
  } catch (error) {
    console.error(`bivouac gslb: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  const { client, json, socket = DEFAULT_SOCKET } = parsed.values;
  const name = parsed.positionals[1]!.toLowerCase().replace(/\.$/, '');
  try {
    const answer = await ask(socket, { show: 'explain', name, client: client! });
    if ('error' in answer) throw new Error(answer.error);
    if (answer.rows.length === 0) throw new Error('this manager is no GSLB');
    console.log(json ? JSON.stringify(answer.rows, null, 2) : formatTable(answer.rows));
    return answer.rows.length > 1 ? 0 : 1;
  } catch (error) {
    console.error(`bivouac gslb: ${(error as Error).message}`);
    return 1;
  }
}

interface Values {
  readonly client?: string;
  readonly json?: boolean;
  readonly socket?: string;
  readonly help?: boolean;
}
