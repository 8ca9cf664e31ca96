/** What a real gdnsd answers, query by query, with its plug-in `weighted`: for each world a name whose sites weigh as many as they have servers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { poll } from '../../scenario/poll.ts';
import { addressesOf, queryOf } from './questions.ts';
import type { World } from './world.ts';

const ZONE = 'choice.cell';
const PORT = 5399;
const LOOPBACK = '127.0.0.1';
/** Queries that are under way at once. */
const WINDOW = 64;

/** So many answers to one query after the other, for each world: numbers of its sites. Needs Debian's gdnsd. */
export async function weightedAnswers(worlds: readonly World[], count: number): Promise<number[][]> {
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-weighted-'));
  let server: ChildProcess | undefined;
  try {
    configure(directory, worlds);
    server = spawn('gdnsd', ['-c', directory, '-f', 'start'], { stdio: 'ignore' });
    await poll('gdnsd answers', async () => (await ask('w0', 1, 200)).length > 0, { timeout: 15_000 });
    const all: number[][] = [];
    for (const at of worlds.keys()) all.push(await ask(`w${at}`, count, 2000));
    return all;
  } finally {
    if (server !== undefined && server.exitCode === null) {
      const ended = new Promise(resolve => server!.once('exit', resolve));
      server.kill('SIGKILL');
      await ended;
    }
    rmSync(directory, { recursive: true, force: true });
  }
}

function configure(directory: string, worlds: readonly World[]): void {
  for (const part of ['zones', 'run', 'state']) mkdirSync(join(directory, part), { recursive: true });
  const resources = worlds.map(({ sites }, at) => {
    const choices = sites.map(({ name, servers }, site) => `${name} => [ 192.0.2.${site + 1}, ${servers} ]`);
    return `w${at} => { ${choices.join(', ')} }`;
  });
  const options = `listen => ${LOOPBACK}, dns_port => ${PORT}, udp_threads => 1, tcp_threads => 1`;
  writeFileSync(
    join(directory, 'config'),
    `options => { ${options}, run_dir => ${directory}/run, state_dir => ${directory}/state }
plugins => { weighted => { service_types => up, ${resources.join(', ')} } }
`,
  );
  const names = worlds.map((_, at) => `w${at} 20 DYNA weighted!w${at}`);
  const lines = ['@ 60 SOA ns root 1 60 10 3600 5', '@ 60 NS ns', 'ns 30 A 192.0.2.1', ...names];
  writeFileSync(join(directory, 'zones', ZONE), `${lines.join('\n')}\n`);
}

/** The sites of the answers that came within `patience` ms of the last one. */
function ask(host: string, count: number, patience: number): Promise<number[]> {
  return new Promise(resolve => {
    const found: number[] = [];
    const socket = createSocket('udp4');
    let sent = 0;
    let timer = setTimeout(end, patience);
    const send = (): void => {
      if (sent < count) socket.send(queryOf(sent++ & 0xffff, `${host}.${ZONE}`), PORT, LOOPBACK);
    };
    function end(): void {
      clearTimeout(timer);
      socket.close();
      resolve(found);
    }
    // Nobody listens yet.
    socket.on('error', () => {});
    socket.on('message', bytes => {
      for (const address of addressesOf(bytes)) found.push(Number(address.split('.')[3]) - 1);
      if (found.length >= count) {
        end();
        return;
      }
      clearTimeout(timer);
      timer = setTimeout(end, patience);
      send();
    });
    for (let open = 0; open < WINDOW; open++) send();
  });
}
