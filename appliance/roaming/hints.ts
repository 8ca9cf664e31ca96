/**
 * What follows from what DHCP shows: whom to invite, whose health to look at. Nothing is ever granted or withdrawn on DHCP's word.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import type { Reason } from '../registry/state.ts';
import { type Host, identifiersOf, type Sighting } from './lease-view.ts';

/** What hints are judged by: a Roster. */
export interface Known {
  serverAt(address: Address): ServerId | undefined;
  serverOf(identifiers: readonly Uint8Array[]): ServerId | undefined;
  isRegistered(server: ServerId, address: Address): boolean;
  isHere(server: ServerId): boolean;
  hostsOf(server: ServerId): readonly Uint8Array[];
}

export type Hint =
  /** A known server is, or is about to be, at this address and not registered from there. */
  | {
      readonly kind: 'invite';
      readonly server: ServerId;
      readonly host: Host;
      readonly address: Address;
      readonly reason: Reason;
    }
  /** What is registered of this server may have gone. */
  | { readonly kind: 'hasten'; readonly server: ServerId; readonly reason: Reason };

const LEFT = {
  released: 'gave its lease back',
  declined: 'found its address in use by another',
  refused: 'was refused its address: it may come from another cell, or must leave this one',
} as const;

/** The hints in one sighting, in the order in which they matter. */
export function hintsOf(sighting: Sighting, known: Known): readonly Hint[] {
  const { host } = sighting;
  const identity = known.serverOf(identifiersOf(host));
  if (sighting.kind === 'left') {
    const at = sighting.address && known.serverAt(sighting.address);
    return hasten(known, [at, identity], `dhcp-${sighting.why}`, `host ${host.key} ${LEFT[sighting.why]}`);
  }
  const { address, before } = sighting;
  const hints: Hint[] = [];
  const server = identity ?? known.serverAt(address);
  if (server !== undefined && !known.isRegistered(server, address)) {
    const sentence = `host ${host.key} ${sighting.kind === 'bound' ? 'has' : 'asks for'} ${address} on ${host.link}`;
    hints.push({
      kind: 'invite',
      server,
      host,
      address,
      reason: { code: `dhcp-${sighting.kind}`, sentence },
    });
  }
  if (before !== undefined && sighting.kind === 'bound') {
    const sentence = `host ${host.key} has ${address} instead of ${before}`;
    hints.push(...hasten(known, [known.serverAt(before)], 'dhcp-changed', sentence));
  }
  return hints;
}

/** A peer sees a host to which a server of ours belonged. */
export const hintsOfPeer = (
  identifiers: readonly Uint8Array[],
  peer: string,
  known: Known,
): readonly Hint[] =>
  hasten(known, [known.serverOf(identifiers)], 'seen-elsewhere', `its host is at ${peer}`);

function hasten(
  known: Known,
  servers: readonly (ServerId | undefined)[],
  code: string,
  sentence: string,
): Hint[] {
  return [...new Set(servers)]
    .filter(server => server !== undefined)
    .filter(server => known.isHere(server))
    .map(server => ({ kind: 'hasten', server, reason: { code, sentence } }));
}
