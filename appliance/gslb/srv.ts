/**
 * Names under which a client finds a service's port (RFC 2782), made from registrations by themselves. H.323's are those of its Annex O.
 */
import type { Transport } from '../../sdk/wire/model.ts';

const H323: Readonly<Record<Transport, readonly string[]>> = {
  // Call signalling; location (LRQ) and registration (RRQ) by RAS.
  tcp: ['h323cs'],
  udp: ['h323ls', 'h323rs'],
  sctp: [],
};

/** The labels in front of a name, `_sip._udp`; none for a protocol that cannot be a label. */
export function srvLabels(protocol: string, transport: Transport): readonly string[] {
  const words = protocol === 'h323' ? H323[transport] : /^[a-z0-9-]{1,62}$/.test(protocol) ? [protocol] : [];
  return words.map(word => `_${word}._${transport}`);
}

/**
 * Where a service's SRV records stand: at its own name, and at the domain above it, which is what a client has who knows no more than
 * `user@domain` (RFC 3263 §4.2, H.323 Annex O §O.9).
 */
export function srvOwners(name: string, protocol: string, transport: Transport): readonly string[] {
  const dot = name.indexOf('.');
  const domains = dot < 0 || name.startsWith('_') ? [name] : [name, name.slice(dot + 1)];
  return srvLabels(protocol, transport).flatMap(label => domains.map(domain => `${label}.${domain}`));
}
