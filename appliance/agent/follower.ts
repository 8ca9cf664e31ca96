/**
 * Keeps the registration where this host is: follows the kernel's word of links, addresses and routes, what DHCP clients note, and
 * managers' invitations, and tells the SDK when there is another place. Nothing is polled.
 */
import { discover } from '../../sdk/server/discover.ts';
import type { ManagerAddress } from '../../sdk/server/events.ts';
import { managerAddress, type Registration } from '../../sdk/server/register.ts';
import type { Environment } from '../../sdk/transport/environment.ts';
import type { Address } from '../../sdk/wire/address.ts';
import { WELL_KNOWN } from '../../sdk/wire/messages.ts';
import type { Files, FollowSurroundings, Log, Surroundings, Timer, WatchDirectories } from '../host/ports.ts';
import { hearInvitations } from './invitations.ts';
import { findNamed, WATCHED } from './named.ts';
import { isOnLink, type Place, placesOf, type Step, Whereabouts } from './places.ts';

export interface FollowerPorts {
  readonly environment: Environment;
  readonly files: Files;
  readonly log: Log;
  /** Absent: where this host is is found out only when its manager is lost. */
  readonly surroundings?: FollowSurroundings;
  readonly watch?: WatchDirectories;
}

/** ms that the managers of the best place have to themselves: the one that this host is leaving must not win by being quicker. */
const HEAD_START = 250;
/** Places that a solicitation goes out from. */
const ASKED = 4;

export class Follower {
  private readonly ports: FollowerPorts;
  private readonly configured: readonly ManagerAddress[] | undefined;
  private readonly vips: () => readonly Address[];
  private readonly whereabouts = new Whereabouts();
  private registration: Registration | undefined;
  private surroundings: Surroundings | undefined;
  private places: readonly Place[] = [];
  private timer: Timer | undefined;
  private readonly open: { close(): void }[] = [];

  /** `configured`: the only managers that count; `vips`: addresses that say nothing of where this host is. */
  constructor(
    ports: FollowerPorts,
    configured: readonly string[] | undefined,
    vips: () => readonly Address[],
  ) {
    this.ports = ports;
    this.configured = configured?.map(managerAddress);
    this.vips = vips;
  }

  /** For RegisterOptions.manager: those that DHCP named and the default routers at once, then who answers a solicitation. */
  readonly find = async (found: (managers: readonly ManagerAddress[]) => void): Promise<void> => {
    if (this.configured !== undefined) {
      found(this.configured);
      return;
    }
    const { environment } = this.ports;
    const [best, ...others] = this.places.slice(0, ASKED);
    if (best === undefined) {
      found(environment.gateways().map(address => ({ address, port: WELL_KNOWN.registrationPort })));
      await discover({ environment }).then(found);
      return;
    }
    const ask = async (places: readonly Place[]): Promise<void> => {
      found(places.flatMap(place => place.managers));
      const from = places.flatMap(
        ({ addresses }) => addresses.find(({ address }) => !address.includes(':')) ?? [],
      );
      await Promise.all(
        from.length === 0
          ? [discover({ environment }).then(found)]
          : from.map(({ address }) => discover({ environment, from: address }).then(found)),
      );
    };
    const later = async (): Promise<void> => {
      if (others.length === 0) return;
      await new Promise<void>(resolve => environment.clock.after('other-places', HEAD_START, resolve));
      await ask(others);
    };
    await Promise.all([ask([best]), later()]);
  };

  /** Knows where this host is once it has resolved, and keeps the registration there from then on. */
  async start(registration: Registration): Promise<void> {
    const { environment, log, surroundings, watch } = this.ports;
    this.registration = registration;
    try {
      const follow = await surroundings?.(now => {
        this.surroundings = now;
        this.look();
      });
      if (follow) this.open.push(follow);
    } catch (error) {
      log('warning', 'surroundings-unknown', { error: (error as Error).message });
    }
    if (this.configured !== undefined) return;
    if (watch) this.open.push(watch(WATCHED, () => this.look()));
    this.open.push(await hearInvitations(environment, log, (manager, by) => this.invited(manager, by)));
  }

  /** Addresses of global scope that are on loopback now, so far as it is known. */
  onLoopback(): readonly Address[] {
    const loopback = this.surroundings?.interfaces.filter(link => link.loopback) ?? [];
    return loopback.flatMap(link => link.addresses.map(({ address }) => address));
  }

  stop(): void {
    this.timer?.cancel();
    for (const one of this.open.splice(0)) one.close();
  }

  private look(): void {
    const { surroundings } = this;
    if (surroundings === undefined) return;
    const named = this.configured === undefined ? findNamed(this.ports.files, surroundings) : new Map();
    this.places = placesOf(surroundings, this.vips(), named);
    this.timer?.cancel();
    this.act(this.whereabouts.next(this.places, this.ports.environment.clock.now()));
  }

  private act(step: Step): void {
    const { environment, log } = this.ports;
    if (step.type === 'wait') this.timer = environment.clock.after('place', step.delay, () => this.look());
    else if (step.type === 'suggest' && this.configured === undefined)
      this.registration?.suggest(step.managers);
    else if (step.type === 'relocate') {
      log('info', 'agent-place', { place: step.reason });
      this.registration?.relocate(this.configured === undefined ? step.managers : []);
    }
  }

  private invited(manager: ManagerAddress, by: Address): void {
    const [best] = this.places;
    const known = this.surroundings !== undefined;
    if (known && !this.places.some(place => isOnLink(place, manager.address) && isOnLink(place, by))) return;
    const { registration } = this;
    const current = registration?.manager;
    // Who is registered where the host is best placed is not called away.
    if (current !== undefined && (best === undefined || isOnLink(best, current.address))) return;
    if (current !== undefined && best !== undefined && !isOnLink(best, manager.address)) return;
    this.ports.log('debug', 'agent-invited', { manager: `${manager.address}:${manager.port}` });
    registration?.suggest([manager]);
  }
}
