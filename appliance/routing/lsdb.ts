/**
 * What other routers advertise of our VIPs, read from ospfd's link-state database, and what that does to anycast.
 */
import { type Address, parseAddress } from '../../sdk/wire/address.ts';
import type { RouteKind } from './config.ts';

/** How a router advertises a host route: as a stub of its router LSA, or as an AS-external LSA with a type 1 or 2 metric. */
export type Origin = 'internal' | 'external-1' | 'external-2';

export interface Advertisement {
  readonly vip: Address;
  /** Router ID of who advertises it. */
  readonly router: Address;
  readonly origin: Origin;
  readonly metric: number;
}

/** A VIP of ours that somebody else advertises in a form that ends anycast. */
export interface RouteConflict {
  readonly vip: Address;
  readonly router: Address;
  readonly ours: RouteKind;
  readonly theirs: Origin;
  /** What it does, and the mend. */
  readonly reason: string;
}

const HOST = '255.255.255.255';

/** The host routes in `show ip ospf database router json` and `… external json`. What it cannot read, it skips. */
export function readAdvertisements(router: unknown, external: unknown): readonly Advertisement[] {
  const found: Advertisement[] = [];
  const put = (vip: unknown, id: unknown, origin: Origin, metric: unknown): void => {
    const address = parseAddress(String(vip));
    const from = parseAddress(String(id));
    if (address !== undefined && from !== undefined)
      found.push({ vip: address, router: from, origin, metric: Number(metric) });
  };
  for (const area of values(at(at(router, 'routerLinkStates'), 'areas')))
    for (const lsa of values(area))
      for (const link of values(at(lsa, 'routerLinks')))
        if (at(link, 'linkType') === 'Stub Network' && at(link, 'networkMask') === HOST)
          put(at(link, 'networkAddress'), at(lsa, 'advertisingRouter'), 'internal', at(link, 'tos0Metric'));
  for (const lsa of values(at(external, 'asExternalLinkStates')))
    if (at(lsa, 'networkMask') === 32)
      put(
        at(lsa, 'linkStateId'),
        at(lsa, 'advertisingRouter'),
        at(lsa, 'metricType') === 'E2' ? 'external-2' : 'external-1',
        at(lsa, 'metric'),
      );
  return found;
}

/** The conflicts of our VIPs, advertised by `self` as `ours`, among the advertisements. */
export function conflictsOf(
  vips: { has(vip: Address): boolean },
  ours: RouteKind,
  self: string,
  advertisements: readonly Advertisement[],
): readonly RouteConflict[] {
  return advertisements
    .filter(({ vip, router, origin }) => router !== self && vips.has(vip) && origin !== FORM[ours])
    .map(({ vip, router, origin }) => ({
      vip,
      router,
      ours,
      theirs: origin,
      reason: reasonOf(vip, router, ours, origin),
    }));
}

const FORM: Readonly<Record<RouteKind, Origin>> = { internal: 'internal', external: 'external-1' };

/** RFC 2328 §11: intra-area before external type 1 before external type 2, whatever the costs. */
function reasonOf(vip: Address, router: Address, ours: RouteKind, theirs: Origin): string {
  const rank: Readonly<Record<Origin, number>> = { internal: 0, 'external-1': 1, 'external-2': 2 };
  const [first, second] =
    rank[FORM[ours]] < rank[theirs] ? ['this manager', router] : [router, 'this manager'];
  const words = {
    internal: 'as internal',
    'external-1': 'as external type 1',
    'external-2': 'as external type 2',
  };
  return (
    `router ${router} advertises ${vip} ${words[theirs]}, this manager ${words[FORM[ours]]}: OSPF sends every client to ` +
    `${first}, however far, and none to ${second}; give both the same 'routing.kind'`
  );
}

const at = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;

const values = (value: unknown): readonly unknown[] =>
  typeof value === 'object' && value !== null ? Object.values(value) : [];
