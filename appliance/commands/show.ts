/**
 * `bivouac show WHAT`: what a running manager knows. Exit status: 0 shown, 1 no manager or an error, 2 usage.
 */
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import type { Answer } from '../operator/local.ts';
import { type Row, VIEWS } from '../operator/views.ts';

const SOCKET = '/run/bivouac/bivouac.sock';

export async function show(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      socket: { type: 'string', default: SOCKET },
      help: { type: 'boolean', default: false },
    },
  });
  const [what] = positionals;
  if (values.help || what === undefined || positionals.length > 1) {
    console.log(
      `usage: bivouac show WHAT [--json] [--socket PATH]\n\nWHAT: ${Object.keys(VIEWS).join(', ')}`,
    );
    return values.help ? 0 : 2;
  }
  let answer: Answer;
  try {
    answer = await ask(values.socket, what);
  } catch (error) {
    console.error(
      `bivouac show: no manager answers at ${values.socket}: ${(error as Error).message}\nIs \`bivouac run\` running, and may you open its socket?`,
    );
    return 1;
  }
  if ('error' in answer) {
    console.error(`bivouac show: ${answer.error}`);
    return 1;
  }
  console.log(values.json ? JSON.stringify(answer.rows, null, 2) : formatTable(answer.rows));
  if (what === 'routes' && !values.json) {
    const neighbours = await ask(values.socket, 'neighbours');
    if ('rows' in neighbours && neighbours.rows.length > 0) console.log(`\n${formatTable(neighbours.rows)}`);
  }
  return 0;
}

function ask(path: string, what: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path, () => socket.write(`${JSON.stringify({ show: what })}\n`));
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
