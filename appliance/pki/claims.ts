/**
 * What a mission certificate says of its holder, in the URI names of its subjectAltName (docs/protocol.md, Authorization):
 *
 *     urn:bivouac:role:server|manager|gslb|client    what it is; several are possible
 *     urn:bivouac:name:<DNS name>                    may claim the name; `*.suffix`: one or more labels under it; `*`: any
 *     urn:bivouac:vip:<address or prefix>            may claim the VIP; `*`: any
 *     urn:bivouac:port:<transport>/<ports>           may claim the ports: `tcp/80`, `tcp/80,443`, `udp/5000-5100`, `tcp/*`; `*`: any
 *
 * What is not said is not permitted.
 */
import type { ServerId } from '../../sdk/wire/model.ts';
import type { Peer } from '../host/ports.ts';
import type { Claims } from '../registry/events.ts';
import { ANY, parsePortLimit, parseVipLimit } from '../registry/permits.ts';

export const ROLES = ['server', 'manager', 'gslb', 'client'] as const;
export type Role = (typeof ROLES)[number];

/** A certificate's URI names, understood. */
export interface Credentials {
  readonly roles: readonly Role[];
  /** Canonical limits, as permits.ts reads them. */
  readonly names: readonly string[];
  readonly vips: readonly string[];
  readonly ports: readonly string[];
  /** `urn:bivouac:` names that say nothing that this version understands; they permit nothing. */
  readonly ignored: readonly string[];
}

const PREFIX = 'urn:bivouac:';

/** Reads URI names; those of others are passed over. */
export function credentialsOf(uris: readonly string[]): Credentials {
  const roles = new Set<Role>();
  const names = new Set<string>();
  const vips = new Set<string>();
  const ports = new Set<string>();
  const ignored: string[] = [];
  for (const uri of uris) {
    if (!uri.startsWith(PREFIX)) continue;
    const colon = uri.indexOf(':', PREFIX.length);
    const kind = uri.slice(PREFIX.length, colon);
    const value = uri.slice(colon + 1);
    const limits = colon < 0 ? undefined : readLimits(kind, value);
    if (limits === undefined) ignored.push(uri);
    else {
      const set = { role: roles as Set<string>, name: names, vip: vips, port: ports }[kind];
      for (const limit of limits) set?.add(limit);
    }
  }
  return { roles: [...roles], names: [...names], vips: [...vips], ports: [...ports], ignored };
}

/** What the holder of a verified certificate may claim. `identify` makes a ServerId of the key's SPKI. */
export function claimsOf(
  certificate: NonNullable<Peer['certificate']>,
  identify: (publicKey: Uint8Array) => ServerId,
): Claims {
  const { names, vips, ports } = credentialsOf(certificate.uris);
  return { server: identify(certificate.publicKey), names, vips, ports };
}

/** The claims of a session without a certificate, where the configuration allows it: no limit at all. */
export const UNLIMITED: Claims = { server: undefined, names: undefined, vips: undefined, ports: undefined };

/** The URI names that say this; the inverse of credentialsOf. */
export function urisOf(credentials: Omit<Credentials, 'ignored'>): string[] {
  const { roles, names, vips, ports } = credentials;
  return [
    ...roles.map(role => `${PREFIX}role:${role}`),
    ...names.map(name => `${PREFIX}name:${name}`),
    ...vips.map(vip => `${PREFIX}vip:${vip}`),
    ...ports.map(port => `${PREFIX}port:${port}`),
  ];
}

/** The canonical limits that a value of a kind stands for (a list of ports is several), or undefined if it is none. */
export function readLimits(kind: string, value: string): readonly string[] | undefined {
  if (kind === 'role') return (ROLES as readonly string[]).includes(value) ? [value] : undefined;
  if (kind === 'name') return value === ANY || isName(value) ? [value] : undefined;
  if (kind === 'vip') return only(value === ANY ? ANY : parseVipLimit(value));
  if (kind === 'port') return value === ANY ? [ANY] : readPorts(value);
  return undefined;
}

/** A DNS name in lower case, with `*.` in front or without. */
function isName(text: string): boolean {
  const labels = (text.startsWith('*.') ? text.slice(2) : text).split('.');
  return text.length <= 253 && labels.every(label => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
}

function readPorts(text: string): string[] | undefined {
  const [transport, list, ...rest] = text.split('/');
  if (list === undefined || rest.length > 0) return undefined;
  const limits = list.split(',').map(ports => `${transport}/${ports}`);
  return limits.every(limit => parsePortLimit(limit) !== undefined) ? limits : undefined;
}

const only = (limit: string | undefined): string[] | undefined => (limit === undefined ? undefined : [limit]);
