/**
 * Roaming: a server is carried from cell to cell, gets a new address by DHCP each time, and keeps its VIP. Clients at headquarters hold a
 * TCP stream to it, byte by byte, and send to it each 5 ms by UDP.
 */
import { type Cable, type Cell, cableOf } from '../roaming/cables.ts';
import { Observers, type Roam } from '../roaming/journey.ts';
import { wallClock } from '../roaming/monitor.ts';
import { poll } from '../scenario/poll.ts';
import { check, type Measured, type Scenario, type Stage } from '../scenario/scenario.ts';
import { bringUpRouting } from './bringup.ts';
import { Flows, pause, Stream } from './clients.ts';
import { type ServiceRow, show, vipOf } from './managers.ts';

const SERVER = 'm-web';
const SERVICE = 'www.m.bivouac.test';
/** Ports of the server's VIP that are registered: HTTP, and echo by TCP and UDP. */
const SERVICES = 3;

export const roam: Scenario = {
  summary: 'a server moves from cell to cell and keeps its VIP; its clients stay',
  // Only what moves, the managers and a client are needed.
  hold: node => node.group === 'server' || node.group === 'mobile',
  async run(stage) {
    await bringUpRouting(stage, []);
    const journey = new Journey(stage, await boot(stage));
    await journey.begin();
    await journey.byCable();
    await journey.byAir();
    await journey.byTwoCables();
    await journey.bounce();
    await journey.issuerGone();
    await journey.end();
  },
};

/** Gives the VIP. */
async function boot({ node, step }: Stage): Promise<string> {
  let vip = '';
  await step(`${SERVER} boots in cell a: an address by DHCP, a VIP, a route`, async () => {
    const start = performance.now();
    await node(SERVER).boot();
    vip = await vipOf(node('a-appliance'), SERVICE, 1);
    await poll('headquarters reaches it', async () => {
      const { status } = await node('hq-client1').exec(['curl', '-s', '-m', '1', `http://${vip}/`]);
      return status === 0;
    });
    return { vip, 'fetched by headquarters after ms': performance.now() - start };
  });
  return vip;
}

/** The server's way through the cells, with a client that stays. */
class Journey {
  readonly #stage: Stage;
  readonly #vip: string;
  readonly #cable: Cable;
  readonly #second: Cable;
  #observers!: Observers;
  #tcp!: Flows;
  /** Its kernel is left with what nobody takes away any more. */
  #dead: Cell | undefined;

  constructor(stage: Stage, vip: string) {
    this.#stage = stage;
    this.#vip = vip;
    this.#cable = cableOf(stage.lab, SERVER, 'eth1');
    this.#second = cableOf(stage.lab, SERVER, 'eth2');
  }

  async begin(): Promise<void> {
    const { lab, node } = this.#stage;
    this.#observers = await Observers.start(lab, SERVER);
    this.#tcp = await Flows.start(node('hq-client1'), `${this.#vip}:7`, 1, { interval: 5, size: 200 });
  }

  async byCable(): Promise<void> {
    await this.#move('its cable is moved to cell b', 'a', 'b', () => this.#cable.plug('b'));
    await this.#move('its cable is moved to cell c', 'b', 'c', () => this.#cable.plug('c'));
    await this.#move('it returns to cell a, where its lease is from', 'c', 'a', () => this.#cable.plug('a'));
  }

  /** As with Wi-Fi: the carrier stays, only the supplicant's word comes and goes (RFC 2863's dormant). */
  async byAir(): Promise<void> {
    const server = this.#stage.node(SERVER);
    await this.#move('its subnet changes to that of cell b while its carrier stays', 'a', 'b', async () => {
      await server.must(['ip', 'link', 'set', 'eth1', 'state', 'dormant']);
      await this.#cable.roam('b');
      await server.must(['ip', 'link', 'set', 'eth1', 'state', 'up']);
    });
  }

  async byTwoCables(): Promise<void> {
    const server = this.#stage.node(SERVER);
    await this.#move(
      'make before break: a second cable, to cell c, before the first one goes',
      'b',
      'c',
      async () => {
        await this.#second.plug('c');
        await poll('an address of cell c', async () =>
          (await server.must(['ip', '-4', '-o', 'address'])).includes('10.3.0.'),
        );
        // As somebody with two radios would: from now on the new way is the better one.
        await server.must([
          'ip',
          'route',
          'add',
          'default',
          'via',
          '10.3.0.1',
          'dev',
          'eth2',
          'metric',
          '10',
        ]);
      },
    );
    await this.#cable.unplug();
  }

  async bounce(): Promise<void> {
    const { step } = this.#stage;
    await step('it bounces within a second: c, b, c', async () => {
      const stream = await this.#stream();
      const since = wallClock();
      await this.#second.plug('b');
      await pause(400);
      await this.#second.plug('c');
      await this.#settle(since);
      const { longestGap } = await stream.stop();
      const [owner, ...more] = await this.#owners();
      check(owner === 'c' && more.length === 0, `advertised by ${[owner, ...more].join(', ') || 'nobody'}`);
      return { 'longest gap of UDP ms': longestGap.ms, 'VIP at': 'c' };
    });
  }

  /** The appliance of cell c, whose lease it has by now, dies with all that runs on it; the server is carried away. */
  async issuerGone(): Promise<void> {
    const { node, step } = this.#stage;
    await step('the appliance that issued its lease dies, and it moves to cell b', async () => {
      const stream = await this.#stream();
      await pause(200);
      node('c-appliance').crash();
      this.#dead = 'c';
      const since = wallClock();
      await this.#second.plug('b');
      await this.#up('b');
      const registered = wallClock() - since;
      await poll('headquarters is answered again', () => (stream.gaps.at(-1)?.ended ?? 0) > since);
      const { longestGap } = await stream.stop();
      return {
        'seen up at cell b after ms': registered,
        'longest gap of UDP ms': longestGap.ms,
        'VIP at': 'b',
      };
    });
  }

  async end(): Promise<void> {
    const { step } = this.#stage;
    await step('through all of it: one owner at a time, and no byte of the TCP stream is lost', async () => {
      await this.#settle(0);
      const { alive, returned, sent, wrong, bytes, longestGap } = await this.#tcp.stop();
      check(alive === 1, 'the connection was reset');
      check(
        wrong === 0 && returned === sent,
        `${sent - returned} lines lost, ${wrong} not as they were sent`,
      );
      const owners = await this.#owners();
      check(owners.length === 1, `advertised by ${owners.join(', ') || 'nobody'}`);
      return { 'bytes there and back': bytes, lines: returned, lost: 0, 'longest gap ms': longestGap };
    });
    await this.#observers.stop();
  }

  async #move(title: string, from: Cell, to: Cell, act: () => Promise<void>): Promise<void> {
    await this.#stage.step(title, async () => {
      const stream = await this.#stream();
      await pause(200);
      const since = wallClock();
      await act();
      const roamed = await this.#observers.roam(this.#vip, from, to, since);
      const row = await this.#up(to);
      await pause(300);
      const { longestGap, sent, answered } = await stream.stop();
      check(row.vip === this.#vip, `its VIP is ${row.vip} now`);
      check(this.#tcp.lost.length === 0, `the TCP stream was lost: ${this.#tcp.lost.join()}`);
      return {
        ...figuresOf(roamed),
        'longest gap of UDP ms': longestGap.ms,
        'datagrams lost': sent - answered,
      };
    });
  }

  #stream(): Promise<Stream> {
    return Stream.start(this.#stage.node('hq-client1'), `${this.#vip}:7`, { via: 'udp', gaps: 30 });
  }

  /** Waits until all of its services are up at a cell; gives one of them. */
  #up(cell: Cell): Promise<ServiceRow> {
    return poll(`${SERVER} is up in cell ${cell}`, async () => {
      const rows = await show<ServiceRow>(this.#stage.node(`${cell}-appliance`), 'services');
      const up = rows.filter(row => row.service === SERVICE && row.state === 'up');
      return up.length === SERVICES && up[0];
    });
  }

  /** Waits until nobody has changed anything for half a second. */
  async #settle(since: number): Promise<void> {
    await poll('the VIP has settled', async () => {
      const last = this.#observers.changes(vip => vip === this.#vip).at(-1)?.at ?? since;
      return wallClock() - Math.max(last, since) > 1000 && (await this.#owners()).length === 1;
    });
  }

  /** The cells whose appliances advertise the VIP now. */
  async #owners(): Promise<Cell[]> {
    const cells = (['a', 'b', 'c'] as const).filter(cell => cell !== this.#dead);
    const there = await Promise.all(
      cells.map(async cell => {
        const text = await this.#stage
          .node(`${cell}-appliance`)
          .must(['ip', '-4', '-o', 'address', 'show', 'dev', 'lo']);
        return text.includes(` ${this.#vip}/32 `);
      }),
    );
    return cells.filter((_, index) => there[index]);
  }
}

/** From the carrier (or the DHCPACK, where the carrier stayed), ms. */
function figuresOf({ link, ack, address, registered, there, notice, gone }: Roam): Measured {
  return {
    ...{ 'address after ms': address - link, 'registered after ms': registered - link },
    ...{ 'advertised after ms': there - link, 'DHCPACK to registered ms': registered - ack },
    'notice to withdrawn at the old cell ms': gone - notice,
  };
}
