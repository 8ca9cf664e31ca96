/**
 * IPVS by generic netlink (linux/ip_vs.h, family `IPVS`, version 1): steps as requests, dumps as services. Pure codecs. Ports and IPv4 masks
 * are in network order, all else in the host's (little-endian on all that this runs on).
 *
 *     nlmsghdr (16) | command, version, 0, 0 | SERVICE { … } | DESTINATION { … }
 */
import { type Address, addressBytes, addressFromBytes, familyOf } from '../../sdk/wire/address.ts';
import { TRANSPORT, type Transport } from '../../sdk/wire/model.ts';
import { attribute, attributes, message, NLM_F, zeroed } from '../dataplane/attributes.ts';
import {
  type Destination,
  destinationName,
  FLAG,
  type Forwarding,
  serviceName,
  type VirtualService,
} from './layout.ts';
import type { Step } from './plan.ts';

const VERSION = 1;
const COMMAND = {
  'add-service': 1,
  'edit-service': 2,
  'remove-service': 3,
  'get-service': 4,
  'add-destination': 5,
  'edit-destination': 6,
  'remove-destination': 7,
  'get-destination': 8,
} as const;
const CMD_ATTR = { service: 1, destination: 2 } as const;
const SERVICE = {
  family: 1,
  protocol: 2,
  address: 3,
  port: 4,
  mark: 5,
  scheduler: 6,
  flags: 7,
  timeout: 8,
  netmask: 9,
  engine: 11,
} as const;
const DESTINATION = {
  address: 1,
  port: 2,
  forward: 3,
  weight: 4,
  upper: 5,
  lower: 6,
  active: 7,
  inactive: 8,
  persistent: 9,
  stats: 10,
  family: 11,
} as const;
/** Within stats: the kernel's own estimates over the last seconds. */
const STATS = { connectionsPerSecond: 6, bytesInPerSecond: 9, bytesOutPerSecond: 10 } as const;
const FORWARD: Readonly<Record<Forwarding, number>> = { nat: 0, tunnel: 2, direct: 3 };
const FORWARD_MASK = 7;
const AF = { 4: 2, 6: 10 } as const;
/** The flags that are ours to set: not the kernel's own that says that the service is in its table. */
const OURS = FLAG.persistent | FLAG.fallback;

/** Asks the controller of generic netlink (linux/genetlink.h) for the number of the family; it loads the module. */
export const askFamily = (): Uint8Array =>
  message(0x10, NLM_F.request | NLM_F.ack, Uint8Array.of(3, 1, 0, 0), [attribute(2, zeroed('IPVS'))]);

/** The number in the answer; undefined if this is none. */
export const readFamily = (payload: Uint8Array): number | undefined =>
  number16(attributes(payload.subarray(4)).get(1));

/** A step as a request that is acknowledged. */
export function encodeStep(family: number, step: Step): Uint8Array {
  const full = step.do === 'add-service' || step.do === 'edit-service';
  const list = [attribute(CMD_ATTR.service, full ? serviceBody(step.service) : serviceId(step.service))];
  if ('destination' in step) {
    const removes = step.do === 'remove-destination';
    const { destination } = step;
    list.push(
      attribute(CMD_ATTR.destination, removes ? destinationId(destination) : destinationBody(destination)),
    );
  }
  return request(family, step.do, NLM_F.request | NLM_F.ack, list);
}

/** Asks for all services. */
export const listServices = (family: number): Uint8Array =>
  request(family, 'get-service', NLM_F.request | NLM_F.dump, []);

/** Asks for the destinations of a service. */
export const listDestinations = (family: number, service: VirtualService): Uint8Array =>
  request(family, 'get-destination', NLM_F.request | NLM_F.dump, [
    attribute(CMD_ATTR.service, serviceId(service)),
  ]);

const request = (
  family: number,
  command: keyof typeof COMMAND,
  flags: number,
  list: readonly Uint8Array[],
): Uint8Array => message(family, flags, Uint8Array.of(COMMAND[command], VERSION, 0, 0), list);

const serviceId = ({ vip, transport, port }: VirtualService): Uint8Array[] => [
  attribute(SERVICE.family, host16(AF[familyOf(vip)])),
  attribute(SERVICE.protocol, host16(TRANSPORT[transport])),
  attribute(SERVICE.address, union(vip)),
  attribute(SERVICE.port, net16(port)),
];

function serviceBody(service: VirtualService): Uint8Array[] {
  const { vip, scheduler, flags, timeout, prefix, engine } = service;
  return [
    ...serviceId(service),
    attribute(SERVICE.scheduler, zeroed(scheduler)),
    attribute(SERVICE.flags, Uint8Array.of(...host32(flags), ...host32(0xffff_ffff))),
    attribute(SERVICE.timeout, host32(timeout)),
    attribute(SERVICE.netmask, familyOf(vip) === 4 ? mask4(prefix) : host32(prefix)),
    ...(engine === '' ? [] : [attribute(SERVICE.engine, zeroed(engine))]),
  ];
}

const destinationId = ({ address, port }: Destination): Uint8Array[] => [
  attribute(DESTINATION.address, union(address)),
  attribute(DESTINATION.port, net16(port)),
  attribute(DESTINATION.family, host16(AF[familyOf(address)])),
];

const destinationBody = (destination: Destination): Uint8Array[] => [
  ...destinationId(destination),
  attribute(DESTINATION.forward, host32(FORWARD[destination.forward])),
  attribute(DESTINATION.weight, host32(destination.weight)),
  attribute(DESTINATION.upper, host32(0)),
  attribute(DESTINATION.lower, host32(0)),
];

/** A service of a dump, without its destinations; undefined for what is none of ours to know: by mark, or of another protocol. */
export function readService(payload: Uint8Array): VirtualService | undefined {
  const list = attributes(attributes(payload.subarray(4)).get(CMD_ATTR.service) ?? NONE);
  const vip = readUnion(list.get(SERVICE.address), number16(list.get(SERVICE.family)));
  const transport = TRANSPORTS.get(number16(list.get(SERVICE.protocol)) ?? 0);
  const port = bigNumber16(list.get(SERVICE.port));
  if (vip === undefined || transport === undefined || port === undefined || list.has(SERVICE.mark))
    return undefined;
  const flags = (number32(list.get(SERVICE.flags)) ?? 0) & OURS;
  const netmask = list.get(SERVICE.netmask);
  return {
    name: serviceName(transport, vip, port),
    ...{ transport, vip, port, flags },
    scheduler: text(list.get(SERVICE.scheduler)),
    timeout: flags & FLAG.persistent ? (number32(list.get(SERVICE.timeout)) ?? 0) : 0,
    prefix: familyOf(vip) === 4 ? bits(netmask) : (number32(netmask) ?? 128),
    engine: text(list.get(SERVICE.engine)),
    destinations: new Map(),
  };
}

/** What the kernel counts of a destination. */
export interface Counted {
  /** Established connections, and others that it still remembers. */
  readonly active: number;
  readonly inactive: number;
  /** Averages of the last seconds. */
  readonly connectionsPerSecond: number;
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
}

/** A destination of a dump; undefined if it is of a kind that this driver never makes. `vip`: of its service. */
export function readDestination(
  payload: Uint8Array,
  vip: Address,
): { readonly name: string; readonly destination: Destination; readonly counted: Counted } | undefined {
  const list = attributes(attributes(payload.subarray(4)).get(CMD_ATTR.destination) ?? NONE);
  const family = number16(list.get(DESTINATION.family)) ?? AF[familyOf(vip)];
  const address = readUnion(list.get(DESTINATION.address), family);
  const port = bigNumber16(list.get(DESTINATION.port));
  const method = (number32(list.get(DESTINATION.forward)) ?? -1) & FORWARD_MASK;
  const forward = (Object.keys(FORWARD) as Forwarding[]).find(each => FORWARD[each] === method);
  if (address === undefined || port === undefined || forward === undefined) return undefined;
  const destination = { address, port, forward, weight: number32(list.get(DESTINATION.weight)) ?? 0 };
  const stats = attributes(list.get(DESTINATION.stats) ?? NONE);
  return {
    name: destinationName(destination),
    destination,
    counted: {
      active: number32(list.get(DESTINATION.active)) ?? 0,
      inactive: number32(list.get(DESTINATION.inactive)) ?? 0,
      connectionsPerSecond: number32(stats.get(STATS.connectionsPerSecond)) ?? 0,
      bytesInPerSecond: number32(stats.get(STATS.bytesInPerSecond)) ?? 0,
      bytesOutPerSecond: number32(stats.get(STATS.bytesOutPerSecond)) ?? 0,
    },
  };
}

const NONE = new Uint8Array(0);
const TRANSPORTS: ReadonlyMap<number, Transport> = new Map(
  Object.entries(TRANSPORT).map(([name, number]) => [number, name as Transport] as const),
);

/** union nf_inet_addr: 16 bytes, of which IPv4 takes the first four. */
function union(address: Address): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(addressBytes(address));
  return bytes;
}

function readUnion(bytes: Uint8Array | undefined, family: number | undefined): Address | undefined {
  if (bytes === undefined || bytes.length < 16) return undefined;
  if (family === AF[4]) return addressFromBytes(bytes.subarray(0, 4));
  return family === AF[6] ? addressFromBytes(bytes.subarray(0, 16)) : undefined;
}

const mask4 = (prefix: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  view(bytes).setUint32(0, prefix === 0 ? 0 : (-1 << (32 - prefix)) >>> 0);
  return bytes;
};

/** Bits that are set. */
const bits = (bytes: Uint8Array | undefined): number =>
  [...(bytes ?? [])].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);

const host16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8);
const net16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
const host32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  view(bytes).setUint32(0, value, true);
  return bytes;
};
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const number16 = (bytes: Uint8Array | undefined): number | undefined =>
  bytes !== undefined && bytes.length >= 2 ? view(bytes).getUint16(0, true) : undefined;
const bigNumber16 = (bytes: Uint8Array | undefined): number | undefined =>
  bytes !== undefined && bytes.length >= 2 ? view(bytes).getUint16(0) : undefined;
const number32 = (bytes: Uint8Array | undefined): number | undefined =>
  bytes !== undefined && bytes.length >= 4 ? view(bytes).getUint32(0, true) : undefined;
/** Up to its zero. */
const text = (bytes: Uint8Array | undefined): string =>
  String.fromCharCode(...(bytes ?? NONE).subarray(0, 16)).replace(/\0.*$/s, '');
