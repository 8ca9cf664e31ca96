/**
 * Routers in a row on the real kernel, with FRR's ospfd, and managers at them that tell one another by opaque LSAs alone:
 *
 *     a 10.91.1.1 ──── 10.91.1.2 m 10.91.2.2 ──── 10.91.2.3 b
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClock } from '../../appliance/host/clock.ts';
import { verify } from '../../appliance/host/keys.ts';
import { createNet } from '../../appliance/host/net.ts';
import type { Net } from '../../appliance/host/ports.ts';
import { createRandom } from '../../appliance/host/random.ts';
import { openVty } from '../../appliance/host/vty.ts';
import type { Heard } from '../../appliance/notices/heard.ts';
import { createNotices } from '../../appliance/notices/notices.ts';
import type { Notices, NoticesConfig } from '../../appliance/notices/options.ts';
import { type Address, address } from '../../sdk/wire/address.ts';
import type { Binding } from '../../sdk/wire/model.ts';
import { announced, binding, certificateOf, newSigner, trust } from '../unit/notices/world.ts';
import { type FrrSet, startFrr } from './frr.ts';
import { type Namespace, Network, poll } from './netns.ts';
import { recordingLog } from './virtual.ts';

export const OPAQUE_TYPE = 187;

export interface Speaker {
  readonly notices: Notices;
  readonly heard: Heard[];
  readonly log: ReturnType<typeof recordingLog>;
  readonly signer: ReturnType<typeof newSigner>;
  /** VIP → epoch of all bindings that were heard and are not gone. */
  readonly bindings: Map<Address, number>;
  announce(bindings: readonly Binding[]): void;
}

export class Row {
  readonly network = new Network();
  readonly directory = mkdtempSync(join(tmpdir(), 'bvf-'));
  readonly a = this.network.namespace('a');
  readonly m = this.network.namespace('m');
  readonly b = this.network.namespace('b');
  readonly frr: Record<'a' | 'm' | 'b', FrrSet>;
  private readonly open: Notices[] = [];
  /** Link state ids; none is used twice. */
  private readonly old = new Set<string>();

  private constructor() {
    this.frr = {} as Row['frr'];
    // FRR runs as a user of its own.
    chmodSync(this.directory, 0o755);
  }

  /** The routers with FRR, all neighbours full, all its timers as it has them. `multicast`: m passes multicasts on. */
  static async start({ opaque = true, multicast = false } = {}): Promise<Row> {
    const row = new Row();
    const { network, a, m, b } = row;
    network.veth(
      { in: a, name: 'e0', addresses: ['10.91.1.1/24'] },
      { in: m, name: 'e0', addresses: ['10.91.1.2/24'] },
    );
    network.veth(
      { in: m, name: 'e1', addresses: ['10.91.2.2/24'] },
      { in: b, name: 'e0', addresses: ['10.91.2.3/24'] },
    );
    for (const [index, name] of (['a', 'm', 'b'] as const).entries()) {
      row[name].sysctl({ 'net.ipv4.ip_forward': 1 });
      const links = ['e0', 'e1'].map(
        link =>
          `interface ${link}\n ip ospf area 0\n ip ospf dead-interval 4\n ip ospf hello-interval 1\n ip ospf network point-to-point\n`,
      );
      const capable = name !== 'm' || opaque ? ' capability opaque\n' : '';
      row.frr[name] = await startFrr({
        namespace: row[name].name,
        directory: join(row.directory, name),
        daemons: multicast && name === 'm' ? ['ospfd', 'pimd'] : ['ospfd'],
        // The one between has no API: it just floods.
        api: name !== 'm',
        config: `${links.join('')}router ospf\n ospf router-id ${index + 1}.0.0.${index + 1}\n${capable}${multicast && name === 'm' ? PIM : ''}`,
      });
    }
    await row.full();
    return row;
  }

  /** Both ends see each other's routes. */
  async full(): Promise<void> {
    await poll(
      async () => {
        const [one, other] = await Promise.all([
          this.frr.a.vty('ospfd', 'show ip ospf route'),
          this.frr.b.vty('ospfd', 'show ip ospf route'),
        ]);
        return one.includes('10.91.2.0/24') && other.includes('10.91.1.0/24');
      },
      90_000,
      'OSPF full',
      50,
    );
  }

  /** A manager at router a or b, with a GSLB's ears. */
  async speak(
    at: 'a' | 'b',
    { changes = {}, signer = newSigner(), boot = 1, role = 'manager' }: SpeakOptions = {},
  ): Promise<Speaker> {
    const heard: Heard[] = [];
    const bindings = new Map<Address, number>();
    const log = recordingLog();
    const notices = await createNotices({
      ...{ clock: createClock(), random: createRandom(), log, verify, signer, openVty },
      ...{ net: netIn(this[at]), certificate: certificateOf(signer, role), boot, trust: trust() },
      config: {
        ...{ port: 9748, groups: [], interfaces: [], ttl: 32, peers: [], refresh: 1000 },
        limits: { peers: 16, bindings: 10_000 },
        ospf: {
          ...{ port: 2607, opaqueType: OPAQUE_TYPE, refresh: 5000 },
          sockets: join(this.directory, at),
        },
        ...changes,
      },
      self: () => ({
        ...{ name: at, anycastPort: 9747, port: 9746, tls: true },
        addresses: [address(at === 'a' ? '10.91.1.1' : '10.91.2.3')],
      }),
      emit(event) {
        heard.push(event);
        if (event.type === 'peer-gone') bindings.clear();
        if (event.type !== 'heard') return;
        if (event.complete) bindings.clear();
        for (const { vip } of event.gone) bindings.delete(vip);
        for (const { vip, epoch } of event.bindings) bindings.set(vip, epoch);
      },
    });
    this.open.push(notices);
    return {
      ...{ notices, heard, log, signer, bindings },
      announce: list => notices.announce(announced(list)),
    };
  }

  /** Says these commands to a router's ospfd, one after the other. */
  async tell(at: 'a' | 'm' | 'b', ...commands: readonly string[]): Promise<void> {
    const session = await openVty(join(this.directory, at, 'ospfd.vty'), () => {});
    for (const command of ['enable', ...commands]) await session.command(command);
    session.close();
  }

  /** Opaque LSAs of ours in a router's database that are not flushed, without what was there when all were last quiet. */
  async flooded(at: 'a' | 'm' | 'b'): Promise<number> {
    return (await this.ids(at)).filter(id => !this.old.has(id)).length;
  }

  private async ids(at: 'a' | 'm' | 'b'): Promise<string[]> {
    const text = await this.frr[at].vty('ospfd', 'show ip ospf database opaque-as');
    return text
      .split('LS age: ')
      .filter(part => !part.startsWith('3600'))
      .flatMap(part => new RegExp(`Link State ID: (${OPAQUE_TYPE}\\.\\S+)`).exec(part)?.[1] ?? []);
  }

  /** Link state updates that have come to a router's e0. */
  async updates(at: 'a' | 'b'): Promise<number> {
    const text = await this.frr[at].vty('ospfd', 'show ip ospf interface traffic');
    const line = text.split('\n').find(one => /^e0\b/.test(one))!;
    // Interface, then rx/tx of HELLO, DB-Desc, LS-Req, LS-Update, LS-Ack.
    return Number(line.trim().split(/\s+/)[4]!.split('/')[0]);
  }

  /** Ends the managers, silently. What ospfd has of them is not counted any more: see docs/operations.md for what it may leave. */
  async quiet(): Promise<void> {
    for (const at of ['a', 'm', 'b'] as const) for (const id of await this.ids(at)) this.old.add(id);
    this.end();
  }

  private end(): void {
    for (const notices of this.open.splice(0)) notices.close(false);
  }

  async dispose(): Promise<void> {
    this.end();
    for (const frr of Object.values(this.frr)) await frr.stop('SIGKILL');
    await this.network.dispose();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const PIM = `exit\nip pim rp 10.91.2.2 239.0.0.0/8\n${['e0', 'e1'].map(link => `interface ${link}\n ip pim\n ip igmp\nexit\n`).join('')}`;

interface SpeakOptions {
  readonly changes?: Partial<NoticesConfig>;
  readonly signer?: ReturnType<typeof newSigner>;
  readonly boot?: number;
  readonly role?: string;
}

export const many = (count: number, epoch: number): Binding[] =>
  Array.from({ length: count }, (_, number) => binding(number, { epoch }));

let listening: Promise<unknown> = Promise.resolve();

/** The network of a namespace, whenever it is used: one thread is in many. */
export function netIn(space: Namespace): Net {
  const net = createNet();
  const alone = <T>(run: () => Promise<T>): Promise<T> => {
    const next = listening.then(async () => {
      const leave = space.enter();
      try {
        return await run();
      } finally {
        leave();
      }
    });
    listening = next.catch(() => {});
    return next;
  };
  return {
    connect: (...args) => {
      // Node makes the socket in the next tick.
      const leave = space.enter();
      const stream = net.connect(...args);
      process.nextTick(leave);
      return stream;
    },
    listen: (...args) => alone(() => net.listen(...args)),
    listenLocal: (...args) => net.listenLocal(...args),
    datagram: (...args) => alone(() => net.datagram(...args)),
  };
}
