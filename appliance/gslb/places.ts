/** Places as DNS has them: a site and a slot, and the subnets that are in each. Pure. */
import { type Address, type Prefix, parsePrefix } from '../../sdk/wire/address.ts';
import type { View as DnsView, Place } from '../dns/view.ts';
import { dealt, type Located, locate, type Topology } from './topology.ts';

/** `site#slot`; '' and `#slot` are those of whom nobody knows where they are. */
export function readPlace(place: Place): Pick<Located, 'site' | 'slot'> {
  const at = place.lastIndexOf('#');
  const site = at < 0 ? place : place.slice(0, at);
  return { site: site === '' ? undefined : site, slot: at < 0 ? 0 : Number(place.slice(at + 1)) };
}

const known = new WeakMap<Topology, DnsView['topology']>();

/** Every subnet that clients are dealt out in; the same list for the same topology. */
export function prefixesOf(topology: Topology): DnsView['topology'] {
  const made = known.get(topology) ?? listOf(topology);
  known.set(topology, made);
  return made;
}

function listOf(topology: Topology): DnsView['topology'] {
  const found: { prefix: Prefix; place: Place }[] = [];
  const lengthOf = (prefix: Prefix): number => Number(prefix.slice(prefix.indexOf('/') + 1));
  const deal = (prefix: Prefix, site: string): void => {
    found.push({ prefix, place: `${site}#0` });
    for (const [subnet, slot] of dealt(prefix, topology.deal)) {
      if (subnet === prefix) continue;
      // What lies in a longer prefix is that one's; what only has one within is not.
      const holder = locate(topology, subnet.slice(0, subnet.indexOf('/')) as Address).prefix;
      const foreign = holder !== undefined && holder !== prefix && lengthOf(holder) > lengthOf(prefix);
      if (!foreign || lengthOf(holder) > lengthOf(subnet))
        found.push({ prefix: subnet, place: `${site}#${slot}` });
    }
  };
  for (const everybody of ['0.0.0.0/0', '::/0']) deal(parsePrefix(everybody)!, '');
  for (const [, prefixes] of [...topology.lengths].reverse())
    for (const [prefix, site] of prefixes) deal(prefix, site);
  return found;
}
