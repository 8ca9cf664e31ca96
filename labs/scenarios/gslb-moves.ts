/** What moves answers of a GSLB: load, a line that is full, a cell that is lost and comes back. */
import { readFileSync } from 'node:fs';
import type { Running } from '../runner/process.ts';
import { poll, timed } from '../scenario/poll.ts';
import { check } from '../scenario/scenario.ts';
import { Flows, pause } from './clients.ts';
import { cut, mend } from './cut.ts';
import { type GslbWorld, PORTAL, rows } from './gslb-world.ts';
import type { Lookups } from './lookups.ts';
import { vipOf } from './managers.ts';
import { interfaceTo } from './ospf.ts';

/** Fifteen times what the one server of cell c has capacity for. */
const CROWD = 600;
/** How long it is watched whether answers go to and fro, ms; and how many of a place's 32 clients may be asked back within it. */
const WATCH = 3000;
const MOST_BACK = 4;

const wallClock = (): number => performance.timeOrigin + performance.now();

/** How many of these clients a GSLB sends to a VIP. */
const sentTo = (lookups: Lookups, clients: readonly string[], vip: string): number =>
  clients.filter(client => lookups.now(client)?.addresses[0] === vip).length;

/** What goes on while other things are looked at. */
export interface Crowd {
  readonly running: Running;
  /** By the wall clock. */
  readonly since: number;
}

export async function gatherCrowd({ node, step, vips }: GslbWorld): Promise<Crowd> {
  let crowd: Crowd | undefined;
  await step(`${CROWD} clients begin to crowd the one server of cell c`, async () => {
    const words = ['--to', vips.c, '--count', String(CROWD)];
    const running = node('c-client').spawn(['node', '/lab/apps/crowd.mjs', ...words]);
    crowd = { running, since: wallClock() };
    check((await running.line()) !== undefined, `they could not be connected: ${running.stderr}`);
  });
  return crowd!;
}

export async function moveLoad(world: GslbWorld, { running, since }: Crowd): Promise<void> {
  const { node, step, vips, clients, ofCellC, lookups } = world;
  await step('its score has fallen: a part of the next clients are sent elsewhere', async () => {
    const moved = await Promise.all(
      lookups.map(one =>
        poll(
          'a quarter of the clients of cell c go elsewhere',
          () => sentTo(one, ofCellC, vips.c) <= (ofCellC.length * 3) / 4 && wallClock() - since,
          { timeout: 60_000 },
        ),
      ),
    );
    const settled = wallClock();
    await pause(WATCH);
    const back = lookups.map(
      one =>
        one.turns.filter(
          turn => turn.at > settled && ofCellC.includes(turn.client) && turn.addresses[0] === vips.c,
        ).length,
    );
    check(Math.max(...back) <= MOST_BACK, `${back.join(' and ')} were asked back within ${WATCH} ms`);
    for (const one of lookups)
      check(
        one.now(clients.a)!.addresses[0] === vips.a,
        'clients of cell a were moved for the load of cell c',
      );
    const [row] = (await rows(node('gslb1'), 'decisions')).filter(
      each => each['name'] === PORTAL && each['clients'] === 'cell-c',
    );
    await running.stop('SIGKILL');
    return {
      ...{ 'a quarter of them by gslb1 after ms': moved[0]!, gslb2: moved[1]! },
      ...{ 'clients of cell c now': `${row!['shares']}`, 'asked back since': back.join(' and ') },
    };
  });
}

export async function congestLine(world: GslbWorld): Promise<void> {
  const { node, step, vips, headquarters, lookups } = world;
  await step('the line to cell a fills up: fewer of headquarters are sent through it', async () => {
    const before = sentTo(lookups[0], headquarters, vips.a);
    const rtt = async (): Promise<string> => {
      const all = await rows(node('gslb1'), 'rtt');
      return `${all.find(row => row['from'] === 'here' && row['to'] === 'a-appliance')?.['rtt'] ?? ''}`;
    };
    const quiet = await rtt();
    const web = await vipOf(node('a-appliance'), 'www.a.bivouac.test', 3);
    // Far more than the line carries, there and back.
    const flows = await Flows.start(node('hq-client2'), `${web}:7`, 10, { interval: 10, size: 10_000 });
    const { ms, value: after } = await timed(() =>
      poll(
        'a third of those who went to cell a go elsewhere',
        () => {
          const now = sentTo(lookups[0], headquarters, vips.a);
          return now <= (before * 2) / 3 && { count: now };
        },
        { timeout: 30_000 },
      ),
    );
    const use = await poll(
      'the use of the link is shown',
      async () => {
        const all = await rows(node('gslb1'), 'links');
        const link = all.find(row => row['manager'] === 'a-appliance' && row['link'] === 'eth1');
        return Number.parseInt(`${link?.['use']}`, 10) >= 5 && `${link!['use']} of ${link!['rate']}`;
      },
      { timeout: 20_000 },
    );
    const full = await rtt();
    await flows.abandon();
    return {
      ...{ 'to cell a and back': `${quiet} → ${full}`, 'use of its link': use },
      [`of ${headquarters.length} clients to cell a`]: `${before} → ${after.count}`,
      'after ms': ms,
    };
  });
}

export async function loseCell(world: GslbWorld): Promise<void> {
  const { lab, node, step, vips, headquarters, lookups, clients } = world;
  const uplink = interfaceTo(lab.topology, 'core2', 'b-appliance');
  const elsewhere = (address: string | undefined): boolean => address !== undefined && address !== vips.b;
  await step('cell b is lost without a word: no answer names it any more', async () => {
    const start = wallClock();
    await cut(node('core2'), uplink);
    const gone = await Promise.all(
      lookups.map(async one => {
        const turns = await Promise.all(
          [clients.b, ...headquarters].map(client => one.until(client, 'not cell b', elsewhere)),
        );
        return Math.max(...turns.filter(({ at }) => at > start).map(({ at }) => at)) - start;
      }),
    );
    const [site] = (await rows(node('gslb1'), 'sites')).filter(row => row['site'] === 'cell-b');
    check(
      Math.abs(gone[0]! - gone[1]!) < 1000,
      `one followed ${Math.abs(gone[0]! - gone[1]!).toFixed(0)} ms after the other`,
    );
    return {
      ...{ 'gslb1 after ms': gone[0]!, gslb2: gone[1]!, 'apart ms': Math.abs(gone[0]! - gone[1]!) },
      ...{ shown: `notices ${site!['notices']}, polls ${site!['polls']}` },
    };
  });

  await step('it is back: so are its clients', async () => {
    const start = wallClock();
    await mend(node('core2'), uplink);
    const back = await Promise.all(
      lookups.map(
        async one => (await one.until(clients.b, 'cell b', address => address === vips.b)).at - start,
      ),
    );
    const why = await poll('the log says why answers changed', () => {
      const log = readFileSync(node('gslb1').logFile, 'utf8').split('\n');
      const changes = log.filter(line => line.includes('answer-changed') && line.includes(`name=${PORTAL}`));
      return changes.length > 0 && changes.length;
    });
    return {
      'gslb1 after ms': back[0]!,
      gslb2: back[1]!,
      'apart ms': Math.abs(back[0]! - back[1]!),
      'changes that the log explains': why,
    };
  });
}
