/**
 * Which port of a box leads to the rest of the network (`wan`), and which ones servers and clients are on (`lan`). Pure.
 */
import type { Address, Mac } from '../../sdk/wire/address.ts';

/** A network port, as found. */
export interface Nic {
  readonly name: string;
  readonly mac: Mac;
  readonly carrier: boolean;
  /** The address that a DHCP server has leased to it; undefined when none has. */
  readonly lease?: Address;
}

export interface Ports {
  /** Undefined on a box without any port. */
  readonly wan: string | undefined;
  /** All others; on a box with one port, that one again. */
  readonly lan: readonly string[];
  /** Why this is the WAN, in a sentence for the console. */
  readonly reason: string;
  /** It was found out by a lease, and is to be remembered. */
  readonly sure: boolean;
  /** Nothing speaks for this port but that it is the first. */
  readonly guess: boolean;
}

/**
 * Chooses, in this order: the port that the configuration names (by name or hardware address); the one that was found before; the only
 * one; the first by name that a DHCP server has given an address, since nobody serves DHCP on the box's own access ports before the box does;
 * the first by name, until something better is known.
 */
export function choosePorts(
  found: readonly Nic[],
  known: { readonly configured?: string | undefined; readonly remembered?: string | undefined },
): Ports {
  const nics = [...found].sort((one, other) => compareNames(one.name, other.name));
  const { configured, remembered } = known;
  const named = (which: string | undefined): Nic | undefined =>
    which === undefined ? undefined : nics.find(({ name, mac }) => name === which || mac === which);
  const chosen = (nic: Nic, reason: string, sure = false, guess = false): Ports => ({
    wan: nic.name,
    lan:
      nics.length === 1 ? [nic.name] : nics.filter(({ name }) => name !== nic.name).map(({ name }) => name),
    reason,
    sure,
    guess,
  });
  const [first] = nics;
  if (first === undefined)
    return { wan: undefined, lan: [], reason: 'there is no network port at all', sure: false, guess: false };
  const told = named(configured);
  if (told !== undefined) return chosen(told, 'the configuration names it');
  const missing =
    configured === undefined ? '' : `; ${configured}, which the configuration names, is not there`;
  if (nics.length === 1) return chosen(first, `it is the only port${missing}`);
  const before = named(remembered);
  if (before !== undefined) return chosen(before, `it was found to be before${missing}`);
  const leased = nics.find(({ lease }) => lease !== undefined);
  if (leased !== undefined)
    return chosen(leased, `a DHCP server gave it ${leased.lease}${missing}`, configured === undefined);
  const alive = nics.find(({ carrier }) => carrier);
  return chosen(
    alive ?? first,
    `it is the first port${alive === undefined ? '' : ' with a cable'}, and no DHCP server is heard on any${missing}`,
    false,
    true,
  );
}

/** eth2 before eth10. */
const compareNames = (one: string, other: string): number =>
  one.localeCompare(other, 'en', { numeric: true });
