/**
 * How soon DNS knows: a service comes and goes at a manager two OSPF hops away, and a whole site is lost without a word. A client asks all
 * the time; what counts is when its answer is another.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { poll } from '../../scenario/poll.ts';
import { now } from '../clock.ts';
import { type Beside, type Figure, sample } from '../figure.ts';
import type { Role, Said } from '../role.ts';
import type { Answered } from '../roles/asker.ts';
import { BOTH, datagramAlone, type GslbCell, makeGslbCell, ONE } from './cell.ts';

/** ms between two refreshes of a manager, as it comes. */
const REFRESH = 1000;
/** ms between two measurements: what is under way is over. */
const REST = 400;
/** An answer that takes longer, ms, does not come. */
const PATIENCE = 60_000;

export async function newsFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-news-'));
  const cell = await makeGslbCell(directory);
  try {
    const { up, down } = await upAndDown(cell, runs);
    const datagrams = await datagramAlone(cell, runs);
    const { moved, missed } = await lostSites(cell, runs);
    const floor = (name: string, numbers: readonly number[]): Beside => ({ name, sample: sample(numbers) });
    const above = (
      name: string,
      ours: readonly number[],
      beside: Beside,
      limit: number,
      goal: string,
    ): Figure => ({
      ...{ name, unit: 'ms', ours: sample(ours), beside: [beside], goal },
      met: sample(ours).median - beside.sample.median <= limit,
    });
    const multicast = floor('one multicast datagram, through FRR', datagrams);
    return [
      above(
        'check passes → first answer of a GSLB two hops away',
        up,
        multicast,
        10,
        'at most 10 ms above it',
      ),
      above('server lost → no answer names it', down, multicast, 10, 'at most 10 ms above it'),
      above(
        'site lost silently → answers moved',
        moved,
        floor('the third refresh that is missed', missed),
        REFRESH,
        'at most one refresh (1,000 ms) above it',
      ),
    ];
  } finally {
    await cell.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Waits until the client is answered just so, from then on. */
async function answered(asker: Role, since: number, addresses: readonly string[]): Promise<Answered> {
  const same = (said: Said): boolean => `${said['addresses']}` === `${addresses}`;
  try {
    return await asker.until<Answered>('answered', since, same, PATIENCE);
  } catch (error) {
    throw new Error(`no answer with '${addresses}': ${(error as Error).message}`, { cause: error });
  }
}

async function upAndDown({ asker, servers }: GslbCell, runs: number) {
  const client = asker(ONE.name);
  const up: number[] = [];
  const down: number[] = [];
  // Once for nothing: code that has not run yet is not compiled yet.
  for (let run = -2; run < runs; run++) {
    let { mark } = client;
    const passed = await servers.ask<{ at: number }>('pass 0', 'passed');
    const came = await answered(client, mark, [ONE.vip]);
    await pause(REST);
    ({ mark } = client);
    const before = servers.mark;
    servers.tell('fail 0');
    const cut = await servers.ask<{ at: number }>('cut 0', 'cut');
    const went = await answered(client, mark, []);
    await servers.until(
      'state',
      before,
      said => said['registration'] === 0 && said['state'] === 'registered',
    );
    await pause(REST);
    // It must not be named again.
    if (client.mark !== mark + 1) throw new Error('an answer named it although it was lost');
    if (run < 0) continue;
    up.push(came.at - passed.at);
    down.push(went.at - cut.at);
  }
  await client.stop();
  return { up, down };
}

async function lostSites(cell: GslbCell, runs: number) {
  const client = cell.asker(BOTH.name);
  await answered(client, 0, [BOTH.first]);
  const refreshes = watchRefreshes(cell);
  const moved: number[] = [];
  const missed: number[] = [];
  for (let run = 0; run < runs; run++) {
    // At any moment between two refreshes.
    await pause(1500 + ((run * 370) % REFRESH));
    let { mark } = client;
    cell.cut(true);
    const at = now();
    const { at: went } = await answered(client, mark, [BOTH.second]);
    const third = await poll('three refreshes', () => periodic(refreshes, at)[2]);
    moved.push(went - at);
    missed.push(third - at);
    ({ mark } = client);
    cell.cut(false);
    await answered(client, mark, [BOTH.first]);
  }
  await client.stop();
  return { moved, missed };
}

/** Those since then that came by the clock: some follow a notice at once. */
export function periodic(refreshes: readonly number[], since: number): readonly number[] {
  const found: number[] = [];
  for (const left of refreshes)
    if (left > since && left - (found.at(-1) ?? Number.NEGATIVE_INFINITY) > REFRESH / 2) found.push(left);
  return found;
}

/** When A's refreshes left it, cut or not: grows as they do. Notices and answers go elsewhere, or do not come here. */
function watchRefreshes({ row, network }: GslbCell): readonly number[] {
  const { name } = row.a.namespace;
  // By the wall clock, which this process compares with its own.
  const offset = now() - (performance.timeOrigin + performance.now());
  const filter = ['udp', 'dst', 'port', '9748', 'and', 'dst', 'net', '239.0.0.0/8'];
  const words = [
    'netns',
    'exec',
    name,
    'tcpdump',
    '-i',
    'ab',
    '-Q',
    'out',
    '-n',
    '-l',
    '-tt',
    '--immediate-mode',
  ];
  const child = spawn('ip', [...words, ...filter], { stdio: ['ignore', 'pipe', 'ignore'] });
  network.adopt(child);
  const left: number[] = [];
  createInterface({ input: child.stdout }).on('line', line =>
    left.push(Number(line.split(' ')[0]) * 1000 + offset),
  );
  return left;
}
