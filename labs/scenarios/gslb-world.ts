/** The two GSLBs of the reference network, their clients, and questions to them. */
import type { LabNode } from '../runner/node.ts';
import { poll } from '../scenario/poll.ts';
import { check, type Measured, type Stage } from '../scenario/scenario.ts';
import { Wan } from '../wan/wan.ts';
import type { Lookups } from './lookups.ts';
import { startPart } from './managers.ts';
import { routersOf } from './ospf.ts';

export const GSLBS = ['gslb1', 'gslb2'] as const;
/** Where they answer. */
export const ADDRESS = { gslb1: '10.0.0.53', gslb2: '10.4.0.53' } as const;
export const CELLS = ['a', 'b', 'c'] as const;
export type Cell = (typeof CELLS)[number];

/** Served in all cells. */
export const PORTAL = 'portal.bivouac.test';

/** Cell → the VIP that it has for the service. */
export type Vips = Readonly<Record<Cell, string>>;

/** What the steps share. */
export interface GslbWorld extends Stage {
  readonly vips: Vips;
  /** What both GSLBs answer all the clients below. */
  readonly lookups: readonly [Lookups, Lookups];
  /** A client of each cell. */
  readonly clients: Readonly<Record<Cell, string>>;
  /** Of these places one client of each part in which a place's clients are dealt out. */
  readonly headquarters: readonly string[];
  readonly ofCellC: readonly string[];
}

/** A row of `bivouac show … --json`. */
export type Row = Readonly<Record<string, string | number>>;

export async function rows(
  gslb: LabNode,
  what: 'sites' | 'decisions' | 'links' | 'rtt',
): Promise<readonly Row[]> {
  return JSON.parse(await gslb.must(['bivouac', 'show', what, '--json'])) as Row[];
}

/** `bivouac gslb explain`: the head, then who is told, best first. */
export async function explain(gslb: LabNode, name: string, client: string): Promise<readonly Row[]> {
  return JSON.parse(
    await gslb.must(['bivouac', 'gslb', 'explain', name, '--client', client, '--json']),
  ) as Row[];
}

/** What the image has not: programs of this host's, in a node's network. */
export const HOSTED = { files: 'host' } as const;

/** dig's answer, line by line, as short as it is; `words`: type, +subnet=… */
export async function dig(
  node: LabNode,
  server: string,
  name: string,
  ...words: string[]
): Promise<string[]> {
  const command = ['dig', `@${server}`, name, '+short', '+time=2', '+tries=3', ...words];
  const text = await node.must(command, HOSTED);
  return text.split('\n').filter(line => line !== '' && !line.startsWith(';'));
}

/** The system's resolver of a node asks both GSLBs, whichever answers. */
export async function resolveBy(node: LabNode): Promise<void> {
  const input = GSLBS.map(name => `nameserver ${ADDRESS[name]}\n`).join('');
  await node.must(['sh', '-c', 'cat > /etc/resolv.conf'], { input });
}

/** At a line that takes 40 ms a way, BFD with 3 × 50 ms tells of nothing but a busy machine. */
const PATIENT = ['configure terminal', 'bfd', 'profile fast', 'detect-multiplier 20'].flatMap(line => [
  '-c',
  line,
]);

/** The links of the core get their delays and rates, until the lab is taken down. */
export async function startWan({ lab, node, step }: Stage): Promise<Wan> {
  let wan: Wan | undefined;
  await step('the links of the core get the delays and rates of a wide-area network', async () => {
    await Promise.all(routersOf(lab.topology).map(name => node(name).must(['vtysh', ...PATIENT])));
    wan = await Wan.start(lab);
    const times = await Promise.all(
      CELLS.map(async (cell, at): Promise<[string, number]> => {
        const ms = await poll(`headquarters reaches cell ${cell}`, async () => {
          const text = await node('hq-client1').must(['ping', '-c', '1', '-W', '1', `10.${at + 1}.0.1`]);
          return Number(/time=([\d.]+)/.exec(text)?.[1]) || undefined;
        });
        return [`to cell ${cell} and back ms`, ms];
      }),
    );
    return Object.fromEntries(times);
  });
  return wan!;
}

/** Starts the managers of all cells, whose nodes were held, and the GSLBs; until each of these has measured the ways to those. */
export async function startManagers({ node, step }: Stage): Promise<void> {
  await step('managers and GSLBs start: these hear those, poll them, and measure the ways', async () => {
    await Promise.all([
      ...CELLS.map(cell => startPart(node(`${cell}-appliance`), 'manager')),
      ...GSLBS.map(name => node(name).boot()),
    ]);
    const measured = await Promise.all(
      GSLBS.map(async (name): Promise<[string, string]> => {
        const known = await poll(
          `${name} knows all three managers`,
          async () => {
            const sites = await rows(node(name), 'sites');
            return (
              sites.filter(
                ({ notices, polls, rtt }) => notices === 'heard' && polls === 'answers' && rtt !== '',
              ).length === CELLS.length && sites
            );
          },
          { timeout: 30_000 },
        );
        return [
          name,
          known
            .map(({ site, rtt }) => `${site} ${rtt}`)
            .sort()
            .join(', '),
        ];
      }),
    );
    return Object.fromEntries(measured);
  });
}

/** Both GSLBs tell everybody the same, by the answers that clients of the places get. Fails when they do not within 10 s. */
export async function agreement(stage: Stage, name: string, clients: readonly string[]): Promise<Measured> {
  const { node } = stage;
  let told: readonly string[] = [];
  await poll('both GSLBs answer alike', async () => {
    const [one, other] = await Promise.all(
      GSLBS.map(gslb =>
        Promise.all(
          clients.map(async client => {
            const answer = await dig(node(gslb), '127.0.0.1', name, `+subnet=${client}/32`);
            return `${client} ${answer[0] ?? 'none'}`;
          }),
        ),
      ),
    );
    told = one!;
    return one!.join() === other!.join();
  });
  check(told.length === clients.length, 'nobody was asked for');
  return { 'both answer alike for': told.length };
}
