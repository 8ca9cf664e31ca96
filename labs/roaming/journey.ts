/** A move of a mobile server from cell to cell, seen from everywhere: the server's kernel, the wires, both managers. */
import type { Lab } from '../runner/lab.ts';
import { poll } from '../scenario/poll.ts';
import type { Cell } from './cables.ts';
import { LogWatch } from './log.ts';
import { Monitor, wallClock } from './monitor.ts';
import { type Change, changesOf } from './owners.ts';

const CELLS: readonly Cell[] = ['a', 'b', 'c'];
const LEASED: Readonly<Record<Cell, string>> = { a: '10\\.1\\.0', b: '10\\.2\\.0', c: '10\\.3\\.0' };
/** DHCPACK: option 53, the first one of both servers that the lab has, is 5 (RFC 2131 §3, RFC 2132 §9.6). */
const ACKS = 'udp src port 67 and udp[248] = 53 and udp[250] = 5';
/** Message type 0x30, docs/protocol.md. */
const NOTICES = 'udp dst port 9748 and udp[11] = 0x30 and dst net 239.0.0.0/8 and outbound';

/** When each thing happened, by the wall clock in ms. */
export interface Roam {
  /** The carrier came; when the DHCPACK was seen, if it had never gone. */
  readonly link: number;
  /** The new cell's appliance saw the DHCPACK. */
  readonly ack: number;
  /** The server had its new address. */
  readonly address: number;
  /** The new manager logged the registration. */
  readonly registered: number;
  /** The VIP was advertised at the new cell. */
  readonly there: number;
  /** The new manager's notice left; `there`, if it was not seen. */
  readonly notice: number;
  /** The VIP was advertised no more at the old cell. */
  readonly gone: number;
}

export class Observers {
  readonly #server: Monitor;
  readonly #appliances: ReadonlyMap<Cell, CellObservers>;
  readonly #name: string;

  private constructor(name: string, server: Monitor, appliances: ReadonlyMap<Cell, CellObservers>) {
    this.#name = name;
    this.#server = server;
    this.#appliances = appliances;
  }

  /** Watches a mobile server, and the cells. */
  static async start(lab: Lab, name: string, cells = CELLS): Promise<Observers> {
    const [server, appliances] = await Promise.all([
      Monitor.ofKernel(lab.node(name), 'link', 'address'),
      Promise.all(cells.map(async cell => [cell, await observe(lab, cell)] as const)),
    ]);
    return new Observers(name, server, new Map(appliances));
  }

  /** What became of a move to `to` that began after `since`. Throws, with what is missing, when it does not end. */
  async roam(vip: string, from: Cell, to: Cell, since: number): Promise<Roam> {
    const [old, next] = [this.#appliances.get(from)!, this.#appliances.get(to)!];
    const on = new RegExp(`^\\d+: lo +inet ${vip.replaceAll('.', '\\.')}/32 `);
    const off = new RegExp(`^Deleted ${on.source.slice(1)}`);
    const { at: there } = await next.addresses.until(`${vip} is advertised by cell ${to}`, on, since);
    const { at: gone } = await old.addresses.until(`${vip} is withdrawn by cell ${from}`, off, since);
    const [address, ack, registered] = await Promise.all([
      this.#server.until('a leased address', new RegExp(`^\\d+: eth\\d+ +inet ${LEASED[to]}\\.`), since),
      next.acks.until(`a DHCPACK in cell ${to}`, /./, since),
      next.log.until(
        'a registration',
        new RegExp(`server-(registered|returned) .*name=${this.#name} `),
        since,
      ),
    ]);
    // A server that has moved is told of as soon as it is carried.
    const notice = next.notices.first(/./, registered.at - 2);
    const link = this.#server.last(/^\d+: eth[^<]*<(?!NO-CARRIER).*LOWER_UP/, since, address.at) ?? ack;
    return {
      link: link.at,
      ack: ack.at,
      address: address.at,
      registered: registered.at,
      there,
      notice: notice !== undefined && notice.at <= gone ? notice.at : there,
      gone,
    };
  }

  /** All that the appliances have advertised since the watch began. */
  changes(isVip: (address: string) => boolean): Change[] {
    return [...this.#appliances].flatMap(([cell, { addresses }]) =>
      changesOf(cell, addresses.happened, isVip),
    );
  }

  /** Waits until nothing has been advertised or withdrawn for so long, ms. */
  async settled(quiet: number, timeout = 20_000): Promise<void> {
    const last = (): number => Math.max(0, ...this.changes(() => true).map(({ at }) => at));
    await poll('the VIPs have settled', () => wallClock() - last() > quiet, { timeout, interval: 50 });
  }

  async stop(): Promise<void> {
    const monitors = [...this.#appliances.values()].flatMap(each => {
      each.log.close();
      return [each.addresses, each.acks, each.notices];
    });
    await Promise.all([this.#server, ...monitors].map(monitor => monitor.stop()));
  }
}

interface CellObservers {
  readonly addresses: Monitor;
  readonly acks: Monitor;
  readonly notices: Monitor;
  readonly log: LogWatch;
}

async function observe(lab: Lab, cell: Cell): Promise<CellObservers> {
  const appliance = lab.node(`${cell}-appliance`);
  const [addresses, acks, notices] = await Promise.all([
    Monitor.ofKernel(appliance, 'address'),
    Monitor.ofPackets(appliance, 'eth2', ACKS),
    Monitor.ofPackets(appliance, 'eth1', NOTICES),
  ]);
  return { addresses, acks, notices, log: new LogWatch(appliance) };
}
