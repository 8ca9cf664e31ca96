/**
 * Where this host could reach a manager from, best first, and what a change of its surroundings means for its registration. Pure.
 */
import { type ManagerAddress, sameManager } from '../../sdk/server/events.ts';
import { type Address, addressBytes, familyOf } from '../../sdk/wire/address.ts';
import { WELL_KNOWN } from '../../sdk/wire/messages.ts';
import type { Interface, Millis, Surroundings } from '../host/ports.ts';

/** An interface with an address, and the routers behind it. */
export interface Place {
  readonly interface: string;
  /** Usable addresses, IPv4 before IPv6. */
  readonly addresses: Interface['addresses'];
  /** Managers that may be there: those that DHCP named, then the default routers. */
  readonly managers: readonly ManagerAddress[];
  /** Whether a default route leads out of it. */
  readonly routed: boolean;
  /** Another key is another place. */
  readonly key: string;
}

/** Managers that DHCP has named, by interface. */
export type Named = ReadonlyMap<string, readonly ManagerAddress[]>;

/** ms after which a place that was left is gone to again, while the present one is as good: two default routes may take turns. */
const HOLD: Millis = 5000;
/** Places that are remembered. */
const MOST = 64;

/** What is to be done; `wait`: look again in so many ms. */
export type Step =
  | { readonly type: 'none' }
  | { readonly type: 'relocate'; readonly managers: readonly ManagerAddress[]; readonly reason: string }
  | { readonly type: 'suggest'; readonly managers: readonly ManagerAddress[] }
  | { readonly type: 'wait'; readonly delay: Millis };

/** All places, best first: by default route (least metric), then those that DHCP named a manager at, then the newest interface. */
export function placesOf(
  { interfaces, routes }: Surroundings,
  vips: readonly Address[],
  named: Named,
): Place[] {
  const rank = (link: Interface): number =>
    Math.min(
      ...routes
        .filter(route => route.interface === link.index)
        .map(route => route.metric + (route.family === 6 ? 0.5 : 0)),
      named.has(link.name) ? 2 ** 33 : 2 ** 34,
    );
  return interfaces
    .filter(link => link.running && !link.loopback)
    .sort((a, b) => rank(a) - rank(b) || b.index - a.index)
    .flatMap(link => {
      const addresses = link.addresses
        .filter(({ address }) => !vips.includes(address) && !/^169\.254\.|^fe[89ab]/.test(address))
        .sort((a, b) => familyOf(a.address) - familyOf(b.address));
      const [first] = addresses;
      if (first === undefined) return [];
      const routers = routes
        .filter(route => route.interface === link.index && route.gateway && !isLinkLocal(route.gateway))
        .sort((a, b) => a.family - b.family || a.metric - b.metric)
        .map(route => ({ address: route.gateway!, port: WELL_KNOWN.registrationPort }));
      const routed = routes.some(route => route.interface === link.index);
      const managers = [...(named.get(link.name) ?? []), ...routers];
      return [
        {
          interface: link.name,
          addresses,
          managers,
          routed,
          key: `${link.name} ${first.address}/${first.prefix}`,
        },
      ];
    });
}

/** Whether an address is on one of the place's links. */
export const isOnLink = (place: Place, address: Address): boolean =>
  place.addresses.some(own => familyOf(own.address) === familyOf(address) && shares(own, address));

/** Decides, change by change, whether the host has moved. */
export class Whereabouts {
  private key: string | undefined;
  private offered: readonly ManagerAddress[] = [];
  /** Key → when it was left. */
  private readonly left = new Map<string, Millis>();

  /** What follows from the places that there are now. The first time nothing does: who starts looks for a manager anyway. */
  next(places: readonly Place[], now: Millis): Step {
    const [best] = places;
    const former = this.key;
    if (best === undefined) {
      this.leave(now);
      this.key = 'nowhere';
      return { type: 'none' };
    }
    const { key, managers } = best;
    if (key === former) {
      const fresh = managers.filter(one => !this.offered.some(other => sameManager(one, other)));
      this.offered = managers;
      return fresh.length > 0 ? { type: 'suggest', managers: fresh } : { type: 'none' };
    }
    const leftAt = this.left.get(key);
    const bothUsable = places.some(place => place.key === former && (place.routed || !best.routed));
    if (bothUsable && leftAt !== undefined && now - leftAt < HOLD)
      return { type: 'wait', delay: HOLD - (now - leftAt) };
    this.leave(now);
    this.key = key;
    this.offered = managers;
    if (former === undefined) return { type: 'none' };
    return { type: 'relocate', managers, reason: former === 'nowhere' ? key : `${former} → ${key}` };
  }

  private leave(now: Millis): void {
    if (this.key === undefined || this.key === 'nowhere') return;
    this.left.delete(this.key);
    this.left.set(this.key, now);
    for (const [key] of this.left) if (this.left.size > MOST) this.left.delete(key);
  }
}

const isLinkLocal = (address: Address): boolean => /^fe[89ab]/.test(address);

function shares({ address, prefix }: Interface['addresses'][number], other: Address): boolean {
  const [one, two] = [addressBytes(address), addressBytes(other)];
  for (let bit = 0; bit < prefix; bit += 8) {
    const mask = 0xff & (0xff00 >> Math.min(8, prefix - bit));
    if (((one[bit >> 3]! ^ two[bit >> 3]!) & mask) !== 0) return false;
  }
  return true;
}
