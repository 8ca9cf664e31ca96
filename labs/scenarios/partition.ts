/**
 * The core splits while servers roam: headquarters and cell a on one side, cells b and c on the other. Each side goes on by itself; when
 * it heals, each VIP has one owner.
 */
import { cableOf } from '../roaming/cables.ts';
import { Monitor, wallClock } from '../roaming/monitor.ts';
import { changesOf, ownershipOf } from '../roaming/owners.ts';
import { poll, timed } from '../scenario/poll.ts';
import { check, type Scenario, type Stage } from '../scenario/scenario.ts';
import { bringUpRouting } from './bringup.ts';
import { cut, mend } from './cut.ts';
import { type ServiceRow, show, vipOf } from './managers.ts';
import { interfaceTo } from './ospf.ts';

const CELLS = ['a', 'b', 'c'] as const;
type Cell = (typeof CELLS)[number];
/** What splits: core2's links to the other side. */
const SPLIT = ['hq', 'core1'] as const;
const NAMES = { 'm-web': 'www.m.bivouac.test', 'm-mcu': 'mcu.m.bivouac.test' } as const;
type Server = keyof typeof NAMES;

export const partition: Scenario = {
  summary: 'the core splits while servers roam, each side goes on alone, and it heals',
  hold: node => node.group === 'server',
  async run(stage) {
    await bringUpRouting(stage, []);
    const split = new Split(stage);
    await split.begin();
    await split.roamWithin();
    await split.roamAcross();
    await split.heal();
  },
};

class Split {
  readonly #stage: Stage;
  readonly #vips = new Map<Server, string>();
  readonly #watches = new Map<Cell, Monitor>();
  #healed = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async begin(): Promise<void> {
    const { lab, node, step } = this.#stage;
    await step('m-web is in cell a, m-mcu in cell b, and headquarters reaches both', async () => {
      for (const cell of CELLS)
        this.#watches.set(cell, await Monitor.ofKernel(node(`${cell}-appliance`), 'address'));
      this.#vips.set('m-web', await vipOf(node('a-appliance'), NAMES['m-web'], 1));
      this.#vips.set('m-mcu', await vipOf(node('b-appliance'), NAMES['m-mcu'], 1));
      await this.#reaches('hq-client1', 'm-web');
      await this.#reaches('hq-client1', 'm-mcu');
      return Object.fromEntries(this.#vips);
    });
    await step('the core splits', async () => {
      for (const other of SPLIT) await cut(node('core2'), interfaceTo(lab.topology, 'core2', other));
      const { ms } = await timed(() =>
        poll('headquarters has no route to cell b', async () => {
          const routes = await node('hq').must(['ip', 'route', 'show', '10.2.0.0/24']);
          return routes === '';
        }),
      );
      return { 'known after ms': ms };
    });
  }

  async roamWithin(): Promise<void> {
    await this.#stage.step('m-mcu roams from cell b to cell c, on its own side of the split', async () => {
      const { ms } = await timed(async () => {
        await cableOf(this.#stage.lab, 'm-mcu').plug('c');
        await this.#up('m-mcu', 'c');
        await this.#reaches('b-client', 'm-mcu');
      });
      check((await this.#owners('m-mcu')).join() === 'c', `owners: ${(await this.#owners('m-mcu')).join()}`);
      return { 'reached by cell b after ms': ms };
    });
  }

  /** Its old manager hears nothing of it: only its own checks tell. */
  async roamAcross(): Promise<void> {
    await this.#stage.step('m-web is carried from cell a to cell b, across the split', async () => {
      const since = wallClock();
      const { ms } = await timed(async () => {
        await cableOf(this.#stage.lab, 'm-web').plug('b');
        await this.#up('m-web', 'b');
        await this.#reaches('c-client', 'm-web');
      });
      const gone = new RegExp(`^Deleted .*inet ${this.#vips.get('m-web')}/32 `);
      const { at } = await this.#watches.get('a')!.until('cell a withdraws it', gone, since);
      return { 'reached by cell c after ms': ms, 'withdrawn by cell a after ms': at - since };
    });
  }

  async heal(): Promise<void> {
    const { lab, node, step } = this.#stage;
    await step('the core is whole again: headquarters reaches both where they are', async () => {
      this.#healed = wallClock();
      for (const other of SPLIT) await mend(node('core2'), interfaceTo(lab.topology, 'core2', other));
      const { ms } = await timed(async () => {
        await this.#reaches('hq-client1', 'm-web');
        await this.#reaches('hq-client1', 'm-mcu');
      });
      return { 'reached after ms': ms };
    });
    await step('each VIP has one owner, and had no second one after the split was healed', async () => {
      await poll('nothing changes any more', () => wallClock() - Math.max(this.#last(), this.#healed) > 2000);
      for (const [server, cell] of [
        ['m-web', 'b'],
        ['m-mcu', 'c'],
      ] as const) {
        const owners = await this.#owners(server);
        check(
          owners.join() === cell,
          `${server} is in cell ${cell}, advertised by ${owners.join(', ') || 'nobody'}`,
        );
      }
      const longest = Math.max(
        ...ownershipOf(this.#changes(), wallClock()).map(({ longestMany }) => longestMany),
      );
      await Promise.all([...this.#watches.values()].map(watch => watch.stop()));
      return { 'longest with two owners, one of them cut off, ms': longest };
    });
  }

  #changes() {
    const mine = new Set(this.#vips.values());
    return [...this.#watches].flatMap(([cell, { happened }]) =>
      changesOf(cell, happened, vip => mine.has(vip)),
    );
  }

  #last(): number {
    return Math.max(0, ...this.#changes().map(({ at }) => at));
  }

  async #up(server: Server, cell: Cell): Promise<void> {
    const row = await poll(`${server} is up in cell ${cell}`, async () => {
      const rows = await show<ServiceRow>(this.#stage.node(`${cell}-appliance`), 'services');
      return rows.find(({ service, state }) => service === NAMES[server] && state === 'up');
    });
    check(row.vip === this.#vips.get(server), `its VIP is ${row.vip} now`);
  }

  async #reaches(client: string, server: Server): Promise<void> {
    const port = server === 'm-web' ? 80 : 1720;
    const probe = `exec 3<>/dev/tcp/${this.#vips.get(server)}/${port}`;
    await poll(
      `${client} reaches ${server}`,
      async () => {
        const { status } = await this.#stage.node(client).exec(['timeout', '1', 'bash', '-c', probe]);
        return status === 0;
      },
      { timeout: 20_000 },
    );
  }

  /** The cells whose appliances advertise its VIP now. */
  async #owners(server: Server): Promise<Cell[]> {
    const there = await Promise.all(
      CELLS.map(async cell => {
        const node = this.#stage.node(`${cell}-appliance`);
        const text = await node.must(['ip', '-4', '-o', 'address', 'show', 'dev', 'lo']);
        return text.includes(` ${this.#vips.get(server)}/32 `);
      }),
    );
    return CELLS.filter((_, index) => there[index]);
  }
}
