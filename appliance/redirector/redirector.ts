/**
 * Farms of mode `redirect`, as a driver around the data plane's. HTTP to such a VIP is brought to a listener of this manager: to the
 * data plane the farm is one in `nat` mode whose one member is this host itself, and it gets it only once the listener is open.
 */
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import type { Driver } from '../desired/driver.ts';
import type { Farm, FarmKey, WantedDataplane, WantedDirectory } from '../desired/wanted.ts';
import type { Clock, Links, Listener, Log, Millis, Net, Random, Timer } from '../host/ports.ts';
import type { Reached } from '../registry/state.ts';
import { Table } from '../registry/table.ts';
import { choose, portOf } from './choose.ts';
import { listenHttp, type Outcome } from './listener.ts';
import type { HttpRequest } from './request.ts';
import { redirection, refusal } from './response.ts';

/** How often it is looked whether the host still has the addresses that it listens at. */
const LOOK: Millis = 1_000;

type DataplaneDriver = Driver<WantedDataplane, Reached['farms']>;

export interface RedirectorOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly links: Links;
  readonly log: Log;
  /** An address is gone that clients were brought to: the data plane's wanted state is to be applied again. */
  readonly onMoved: () => void;
}

export interface Redirector {
  /** The data plane's driver, able to carry farms of mode `redirect`, too. */
  around(driver: DataplaneDriver): DataplaneDriver;
  /** The scores by which servers are chosen from now on. */
  setDirectory(directory: WantedDirectory): void;
  readonly counters: Readonly<Record<Outcome, number>>;
  close(): void;
}

/** A farm that is redirected, and how the data plane sees it. */
interface Redirected {
  farm: Farm;
  readonly address: Address;
  readonly listener: Listener;
  readonly carried: Farm;
}

export const createRedirector = (options: RedirectorOptions): Redirector => new Room(options);

class Room implements Redirector {
  readonly counters = { redirected: 0, 'nothing-up': 0, malformed: 0, timeout: 0, limit: 0, gone: 0 };
  private readonly options: RedirectorOptions;
  private readonly open = new Map<FarmKey, Redirected>();
  private readonly crowd = { open: 0 };
  private directory: WantedDirectory = { byVip: Table.empty(), byName: Table.empty() };
  private timer: Timer | undefined;
  private closed = false;

  constructor(options: RedirectorOptions) {
    this.options = options;
  }

  setDirectory(directory: WantedDirectory): void {
    this.directory = directory;
  }

  around(driver: DataplaneDriver): DataplaneDriver {
    /** The farms of mode `redirect` among those that are wanted, found by what changed. */
    const wantedHere = new Map<FarmKey, Farm>();
    let last: WantedDataplane['farms'] = Table.empty();
    return {
      apply: async (wanted, onPart) => {
        for (const { key, after } of wanted.farms.changesSince(last)) {
          if (after?.mode === 'redirect') wantedHere.set(key, after);
          else wantedHere.delete(key);
        }
        last = wanted.farms;
        const problems = await this.openAll(wantedHere, wanted);
        const whole = (reached: Reached['farms']): Reached['farms'] => this.asReached(reached, wantedHere);
        const done = await driver.apply(
          this.asCarried(wanted, wantedHere),
          onPart && (reached => onPart(whole(reached))),
        );
        // Not before the data plane leads nobody there any more.
        this.closeBut(wantedHere);
        return { reached: whole(done.reached), problems: [...problems, ...done.problems] };
      },
      release: () => driver.release(),
      detach: () => driver.detach(),
    };
  }

  close(): void {
    this.closed = true;
    this.closeBut(new Map());
  }

  private async openAll(farms: ReadonlyMap<FarmKey, Farm>, { vips }: WantedDataplane): Promise<string[]> {
    const problems: string[] = [];
    for (const [key, farm] of farms) {
      const before = this.open.get(key);
      const address = this.ownAddress(farm, vips, before?.address);
      if (address === undefined) {
        problems.push(`farm ${key}: this host has no IPv${familyOf(farm.vip)} address to redirect from`);
        continue;
      }
      if (before?.address === address) {
        before.farm = farm;
        continue;
      }
      try {
        const listener = await this.listen(key, address);
        before?.listener.close();
        this.open.set(key, { farm, address, listener, carried: asNat(farm, address, listener.port) });
      } catch (error) {
        problems.push(`farm ${key}: cannot listen for what is to be redirected: ${(error as Error).message}`);
      }
    }
    this.watch();
    return problems;
  }

  private listen(key: FarmKey, address: Address): Promise<Listener> {
    const { net, clock } = this.options;
    return listenHttp({
      net,
      clock,
      address,
      crowd: this.crowd,
      answer: request => this.answer(this.open.get(key)?.farm, request),
      count: outcome => {
        this.counters[outcome]++;
      },
    });
  }

  private answer(
    farm: Farm | undefined,
    { method, target }: HttpRequest,
  ): { outcome: Outcome; bytes: Uint8Array } {
    const member = farm && choose(farm, this.directory, this.options.random.uniform());
    if (farm === undefined || member === undefined)
      return { outcome: 'nothing-up', bytes: refusal(503, 'no server is up', method === 'HEAD') };
    const to = { address: member.address, port: portOf(farm, member) };
    return { outcome: 'redirected', bytes: redirection(to, target) };
  }

  /** An address that is this host's alone; the one of before for as long as that is there. */
  private ownAddress({ vip }: Farm, vips: WantedDataplane['vips'], before?: Address): Address | undefined {
    const own = this.options.links
      .list()
      .filter(link => link.up)
      .flatMap(link => link.addresses.map(({ address }) => address))
      .filter(address => familyOf(address) === familyOf(vip) && !vips.has(address) && !UNFIT.test(address));
    return before !== undefined && own.includes(before) ? before : own[0];
  }

  private asCarried(wanted: WantedDataplane, redirected: ReadonlyMap<FarmKey, Farm>): WantedDataplane {
    if (redirected.size === 0) return wanted;
    const farms = wanted.farms.draft();
    for (const key of redirected.keys()) {
      const carried = this.open.get(key)?.carried;
      if (carried === undefined) farms.delete(key);
      else farms.set(key, carried);
    }
    return { ...wanted, farms: farms.done() };
  }

  /** A farm whose listener is reached has all of its members. */
  private asReached(reached: Reached['farms'], redirected: ReadonlyMap<FarmKey, Farm>): Reached['farms'] {
    if (redirected.size === 0) return reached;
    const farms = reached.draft();
    for (const [key, { members }] of redirected) if (reached.has(key)) farms.set(key, members.length);
    return farms.done();
  }

  private closeBut(wanted: ReadonlyMap<FarmKey, Farm>): void {
    for (const [key, { listener }] of this.open) {
      if (wanted.has(key)) continue;
      listener.close();
      this.open.delete(key);
    }
    this.watch();
  }

  /** Looks after the addresses for as long as anybody is redirected. */
  private watch(): void {
    if (this.open.size === 0 || this.closed) {
      this.timer?.cancel();
      this.timer = undefined;
      return;
    }
    this.timer ??= this.options.clock.after('redirector-look', LOOK, () => {
      this.timer = undefined;
      const { links, log, onMoved } = this.options;
      const own = new Set(links.list().flatMap(link => link.addresses.map(({ address }) => address)));
      const gone = [...this.open.values()].find(({ address }) => !own.has(address));
      if (gone !== undefined) {
        log('notice', 'redirector-moves', { from: gone.address });
        onMoved();
      }
      this.watch();
    });
  }
}

/** Loopback, link-local. */
const UNFIT = /^(127\.|169\.254\.|::1$|fe[89ab])/;

const asNat = (farm: Farm, address: Address, port: number): Farm => ({
  ...farm,
  mode: 'nat',
  affinity: 0,
  members: [{ server: 'redirector' as ServerId, address, port, weight: 1, accepts: true }],
});
