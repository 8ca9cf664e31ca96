/**
 * How leases and registrations are written down: leases as plain JSON, services as the bytes of their registration message, so that
 * what is read back passes the same decoder, and the same limits, as what comes from the network.
 */
import { parseAddress } from '../../sdk/wire/address.ts';
import type { ManagerId, ServerId, Service } from '../../sdk/wire/model.ts';
import { decodeRegistration, encodeRegistration } from '../../sdk/wire/registration.ts';
import { CALM } from '../registry/damping.ts';
import { UNCHECKED } from '../registry/decide.ts';
import type { KeptVip } from '../registry/events.ts';
import { type LeaseRecord, type ServerRecord, type ServiceRecord, serviceKey } from '../registry/state.ts';

/** JSON Schema of every document's properties; `conf` checks it when it reads and when it writes. */
export const DOCUMENT_SCHEMA = {
  version: { type: 'integer', const: 1 },
  boot: { type: 'integer', minimum: 1 },
  overrides: { type: 'array', items: { type: 'object', required: ['match', 'targets', 'at'] } },
  serial: { type: 'integer', minimum: 0, maximum: 0xffffffff },
  leases: {
    type: 'array',
    items: {
      type: 'object',
      required: ['vip', 'server', 'issuer', 'epoch', 'duration', 'shared', 'service'],
    },
  },
  kept: { type: 'array', items: { type: 'object', required: ['vip', 'server', 'shared'] } },
  servers: {
    type: 'array',
    items: { type: 'object', required: ['id', 'name', 'addresses', 'epoch', 'services'] },
  },
} as const;

interface StoredServer {
  readonly id: string;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly epoch: number;
  readonly services: readonly {
    readonly state: ServiceRecord['state'];
    readonly intent: ServiceRecord['intent'];
    readonly address: string;
    readonly registration: string;
  }[];
}

export const leaseDocument = (records: Iterable<LeaseRecord>): object => ({
  version: 1,
  leases: [...records].map(({ lease: { signature: _, ...terms }, service }) => ({ ...terms, service })),
});

/** The leases of a document; throws a sentence for an entry that is none. */
export function readLeases(document: unknown): LeaseRecord[] {
  const { leases = [] } = document as {
    leases?: (Omit<LeaseRecord['lease'], 'signature'> & { service: string })[];
  };
  return leases.map(({ service, ...terms }) => {
    const vip = parseAddress(String(terms.vip));
    if (vip === undefined) throw new RangeError(`'${terms.vip}' is no VIP`);
    return {
      lease: {
        ...terms,
        vip,
        server: terms.server as ServerId,
        issuer: terms.issuer as ManagerId,
        signature: new Uint8Array(0),
      },
      service,
      expires: 0,
    };
  });
}

export const keptDocument = (list: Iterable<KeptVip>): object => ({
  version: 1,
  kept: [...list].map(({ vip, server, shared }) => ({ vip, server, shared })),
});

/** The VIPs elsewhere of a document; throws a sentence for an entry that is none. */
export function readKept(document: unknown): KeptVip[] {
  const { kept = [] } = document as { kept?: KeptVip[] };
  return kept.map(({ vip: text, server, shared }) => {
    const vip = parseAddress(String(text));
    if (vip === undefined) throw new RangeError(`'${text}' is no VIP`);
    return { vip, server, shared };
  });
}

export const serverDocument = (records: Iterable<ServerRecord>): object => ({
  version: 1,
  servers: [...records].map(storeServer),
});

const storeServer = (server: ServerRecord): StoredServer => ({
  id: server.id,
  name: server.name,
  addresses: server.addresses,
  epoch: server.epoch,
  services: [...server.services.values()].map(record => ({
    state: record.state,
    intent: record.intent,
    address: record.address,
    registration: toHex(
      encodeRegistration({ type: 'register-service', transaction: 1, service: record.spec }),
    ),
  })),
});

/** The servers of a document; throws a WireError or a sentence for an entry that is none. */
export function readServers(document: unknown): ServerRecord[] {
  const { servers = [] } = document as { servers?: StoredServer[] };
  return servers.map(stored => {
    const id = stored.id as ServerId;
    const services = stored.services.map((service): ServiceRecord => {
      const spec = readService(service.registration);
      return {
        key: serviceKey(id, spec.id),
        server: id,
        spec,
        address: parseAddress(service.address)!,
        verdict: { outcome: spec.check.kind === 'none' ? 'pass' : 'unknown', reason: UNCHECKED, since: 0 },
        round: 0,
        report: undefined,
        intent: service.intent,
        flap: CALM,
        state: service.state,
        reason: UNCHECKED,
        since: 0,
        told: undefined,
      };
    });
    return {
      id,
      name: stored.name,
      addresses: stored.addresses.map(text => parseAddress(text)!),
      epoch: stored.epoch,
      session: undefined,
      since: 0,
      lost: undefined,
      recovering: false,
      services: new Map(services.map(record => [record.spec.id, record])),
    };
  });
}

function readService(hex: string): Service {
  const message = decodeRegistration(fromHex(hex));
  if (message.type !== 'register-service')
    throw new RangeError(`a stored service is a '${message.type}' message`);
  return message.service;
}

/** Whether two records would be written the same. */
export const storedAlike = (one: ServerRecord, other: ServerRecord): boolean =>
  one.name === other.name &&
  one.epoch === other.epoch &&
  one.addresses.join() === other.addresses.join() &&
  one.services.size === other.services.size &&
  [...one.services].every(([id, record]) => {
    const twin = other.services.get(id);
    return (
      twin !== undefined &&
      twin.spec === record.spec &&
      twin.state === record.state &&
      twin.intent === record.intent &&
      twin.address === record.address
    );
  });

const DIGITS = Uint8Array.from('0123456789abcdef', digit => digit.charCodeAt(0));
/** Characters that are made into text by one call. */
const AT_ONCE = 4096;

function toHex(bytes: Uint8Array): string {
  const digits = new Uint8Array(bytes.length * 2);
  for (let index = 0; index < bytes.length; index++) {
    digits[index * 2] = DIGITS[bytes[index]! >> 4]!;
    digits[index * 2 + 1] = DIGITS[bytes[index]! & 15]!;
  }
  let text = '';
  for (let at = 0; at < digits.length; at += AT_ONCE)
    text += String.fromCharCode.apply(null, digits.subarray(at, at + AT_ONCE) as unknown as number[]);
  return text;
}

const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], pair => Number.parseInt(pair, 16));
