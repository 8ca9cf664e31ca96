/**
 * What a caller asks for, in the loose forms that are handy, made into the one form that the wire has.
 */
import { BivouacError } from '../errors.ts';
import { type Address, parseAddress } from '../wire/address.ts';
import type { PortRange, Selector, Transport } from '../wire/model.ts';
import { TRANSPORT } from '../wire/model.ts';

/** A port, `'5000-5100'`, or a range. */
export type Ports = number | string | PortRange;

/** Which servers are wanted; what is left out is a wildcard. */
export interface Wanted {
  /** The anycast address. */
  readonly vip?: string;
  /** The service's DNS name. */
  readonly name?: string;
  /** Application protocol: `h323`, `http`… */
  readonly protocol?: string;
  readonly transport?: Transport;
  readonly ports?: Ports | readonly Ports[];
}

/** As the wire has it. */
export interface Question {
  readonly vip?: Address;
  readonly name?: string;
  readonly selector: Selector;
  /** At most so many servers; 0 = all. */
  readonly want: number;
  readonly signed: boolean;
}

const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const PROTOCOL = /^[a-z0-9.-]{1,32}$/;

/** A string is a VIP if it reads as an address, else a service's name. Throws BivouacError EINVAL. */
export function questionOf(what: string | Wanted, want = 0, signed = false): Question {
  const wanted: Wanted =
    typeof what !== 'string' ? what : parseAddress(what) !== undefined ? { vip: what } : { name: what };
  if (!Number.isInteger(want) || want < 0 || want > 255) throw invalid('want', want, '0…255 (0 = all)');
  const { protocol, transport, ports } = wanted;
  const vip = wanted.vip === undefined ? undefined : parseAddress(wanted.vip);
  if (wanted.vip !== undefined && vip === undefined) throw invalid('vip', wanted.vip, 'an IP address');
  const name = wanted.name?.toLowerCase().replace(/\.$/, '');
  if (name !== undefined && !NAME.test(name)) throw invalid('name', wanted.name, 'a DNS name');
  if (protocol !== undefined && !PROTOCOL.test(protocol))
    throw invalid('protocol', protocol, "1…32 of a-z, 0-9, '-', '.'");
  if (transport !== undefined && !Object.hasOwn(TRANSPORT, transport))
    throw invalid('transport', transport, Object.keys(TRANSPORT).join(', '));
  return {
    ...(vip !== undefined && { vip }),
    ...(name !== undefined && { name }),
    selector: {
      ...(protocol !== undefined && { protocol }),
      ...(transport !== undefined && { transport }),
      ...(ports !== undefined && { ports: portRanges(ports) }),
    },
    want,
    signed,
  };
}

/** Sorted ranges that do not touch one another, 16 at most. Throws BivouacError EINVAL. */
export function portRanges(ports: Ports | readonly Ports[]): PortRange[] {
  const ranges = (Array.isArray(ports) ? (ports as readonly Ports[]) : [ports as Ports])
    .map(rangeOf)
    .sort((a, b) => a.first - b.first);
  const merged: PortRange[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last !== undefined && range.first <= last.last + 1)
      merged[merged.length - 1] = { first: last.first, last: Math.max(last.last, range.last) };
    else merged.push(range);
  }
  if (merged.length > 16) throw invalid('ports', `${merged.length} ranges`, 'at most 16 ranges');
  return merged;
}

function rangeOf(port: Ports): PortRange {
  if (typeof port === 'object') return checked(port.first, port.last, port);
  const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(port)) ?? [];
  return checked(Number(first), Number(last ?? first), port);
}

function checked(first: number, last: number, given: unknown): PortRange {
  const valid = Number.isInteger(first) && Number.isInteger(last) && first >= 1 && last <= 65535;
  if (!valid || first > last) throw invalid('port', given, "1…65535, or a range such as '5000-5100'");
  return { first, last };
}

/** The error for an argument that cannot be used. */
export const invalid = (what: string, value: unknown, mend: string): BivouacError =>
  new BivouacError('EINVAL', `${what}: ${JSON.stringify(value)} is not valid; give ${mend}`);
