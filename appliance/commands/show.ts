/**
 * `bivouac show WHAT`: what a running manager knows, once, again and again (--watch), or events as they come (--follow).
 * Exit status: 0 shown, 1 no manager or an error, 2 usage.
 */
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import type { Answer, Request } from '../operator/local.ts';
import { type Row, VIEWS } from '../operator/views.ts';
import { OPTIONS } from './options.ts';

/** Where a manager listens unless it is told otherwise. */
export const DEFAULT_SOCKET = '/run/bivouac/bivouac.sock';

const USAGE = `usage: bivouac show WHAT [--json] [--watch [SECONDS]] [--follow] [--socket PATH]

WHAT: ${Object.keys(VIEWS).join(', ')}

  --json             for programs: one array; with --watch one a line, with --follow one event a line
  --watch [SECONDS]  shows it again each SECONDS (default 2), until interrupted
  --follow           events: goes on with those that come, until interrupted
  --socket PATH      where the manager listens (default ${DEFAULT_SOCKET})`;

/** ms between two looks for events. */
const FOLLOW = 500;
/** Events that --follow begins with. */
const RECENT = 10;
const CLEAR = '\x1b[H\x1b[2J';

interface Wanted {
  readonly what: string;
  readonly json: boolean;
  readonly socket: string;
  /** ms; undefined = once. */
  readonly every: number | undefined;
  readonly follow: boolean;
}

export async function show(args: string[]): Promise<number> {
  let wanted: Wanted | undefined;
  try {
    wanted = read(args);
  } catch (error) {
    console.error(`bivouac show: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (wanted === undefined) {
    console.log(USAGE);
    return 0;
  }
  if (wanted.follow) return follow(wanted);
  for (;;) {
    const text = await look(wanted);
    if (text === undefined && wanted.every === undefined) return 1;
    if (text !== undefined) console.log(text);
    if (wanted.every === undefined) return 0;
    await pause(wanted.every);
  }
}

/** Undefined: help was asked for. */
function read(args: readonly string[]): Wanted | undefined {
  const { values, positionals } = parseArgs({
    args: args.map((arg, at) => (arg === '--watch' && !isNumber(args[at + 1]) ? '--watch=2' : arg)),
    allowPositionals: true,
    options: OPTIONS.show,
  });
  if (values.help === true) return undefined;
  const [what, ...more] = positionals;
  if (what === undefined || more.length > 0) throw new Error(`one WHAT, not ${positionals.length}`);
  const { json = false, follow = false, watch, socket = DEFAULT_SOCKET } = values;
  if (watch !== undefined && !isNumber(watch)) throw new Error(`--watch ${watch}: seconds, such as 2 or 0.5`);
  if (follow && what !== 'events') throw new Error(`--follow goes with events; for ${what} there is --watch`);
  if (follow && watch !== undefined) throw new Error('--follow or --watch, not both');
  return { what, json, follow, socket, every: watch === undefined ? undefined : Number(watch) * 1000 };
}

const isNumber = (text: string | undefined): boolean =>
  text !== undefined && /^\d{1,5}(\.\d{1,3})?$/.test(text) && Number(text) >= 0.1;

/** The view as text; undefined after the reason why not was printed. */
async function look({ what, json, socket, every }: Wanted): Promise<string | undefined> {
  const answer = await asked(socket, { show: what });
  if (answer === undefined) return undefined;
  if (json) return JSON.stringify(answer.rows, null, every === undefined ? 2 : 0);
  const below = what === 'routes' ? await asked(socket, { show: 'neighbours' }) : undefined;
  const tables = [answer.rows, ...(below === undefined || below.rows.length === 0 ? [] : [below.rows])];
  const text = tables.map(formatTable).join('\n\n');
  if (every === undefined) return text;
  const heading = `${what}, ${new Date().toISOString().slice(0, 19)}Z`;
  return process.stdout.isTTY ? `${CLEAR}${heading}\n\n${text}` : `${heading}\n${text}\n`;
}

/** Events from the last few on; a manager that restarts counts them anew. */
async function follow({ json, socket }: Wanted): Promise<number> {
  let since: number | undefined;
  for (;;) {
    const answer = await asked(socket, { show: 'events', ...(since !== undefined && { since }) });
    if (answer === undefined && since === undefined) return 1;
    const next = answer?.next;
    if (answer !== undefined && next !== undefined) {
      const again = since !== undefined && next < since;
      const missed = since === undefined || again ? 0 : next - since - answer.rows.length;
      if (missed > 0) console.error(`bivouac show: ${missed} events came too fast to be shown`);
      for (const row of since === undefined ? answer.rows.slice(-RECENT) : answer.rows)
        console.log(json ? JSON.stringify(row) : formatEvent(row));
      since = again ? 0 : next;
    }
    await pause(FOLLOW);
  }
}

/** The answer; undefined after what is wrong was printed. */
async function asked(
  socket: string,
  request: Request,
): Promise<Extract<Answer, { rows: unknown }> | undefined> {
  try {
    const answer = await ask(socket, request);
    if ('rows' in answer) return answer;
    console.error(`bivouac show: ${answer.error}`);
  } catch (error) {
    console.error(
      `bivouac show: no manager answers at ${socket}: ${(error as Error).message}\nIs \`bivouac run\` running, and may you open its socket?`,
    );
  }
  return undefined;
}

export function ask(path: string, request: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path, () => socket.write(`${JSON.stringify(request)}\n`));
    socket.setEncoding('utf8').setTimeout(10_000, () => socket.destroy(new Error('no answer within 10 s')));
    socket.on('data', part => {
      text += part;
    });
    socket.on('error', reject);
    socket.on('end', () => {
      try {
        resolve(JSON.parse(text) as Answer);
      } catch {
        reject(new Error('it answered something else than JSON'));
      }
    });
  });
}

const pause = (delay: number): Promise<void> => new Promise(resolve => setTimeout(resolve, delay));

/** Rows as aligned columns under a line of headings. */
export function formatTable(rows: readonly Row[]): string {
  if (rows.length === 0) return 'nothing';
  const columns = Object.keys(rows[0]!);
  const cells = [
    columns.map(column => column.toUpperCase()),
    ...rows.map(row => columns.map(column => String(row[column] ?? ''))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map(line => line[index]!.length)));
  return cells
    .map(line =>
      line
        .map((cell, index) => cell.padEnd(widths[index]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** An event as one line of a log that grows. */
export const formatEvent = (row: Row): string =>
  [row['at'], String(row['event']).padEnd(18), row['about'], row['vip'], row['code'], `(${row['reason']})`]
    .filter(cell => cell !== '')
    .join('  ');
