/** What the responder's tests share: directories, queries, frames, and links that are nothing but lists. */

import type { DirectoryServer, WantedDirectory } from '../../../appliance/desired/wanted.ts';
import type { Link, LinkSocket, Links } from '../../../appliance/host/ports.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { newCounters } from '../../../appliance/responder/counters.ts';
import { type Address, address, type Mac, macBytes } from '../../../sdk/wire/address.ts';
import type { Query } from '../../../sdk/wire/answer.ts';
import { decodeAnycast, encodeAnycast } from '../../../sdk/wire/anycast.ts';
import type { AnycastMessage } from '../../../sdk/wire/messages.ts';
import type { ManagerId, ServerId } from '../../../sdk/wire/model.ts';

export const MANAGER = 'ab'.repeat(32) as ManagerId;
export const NONCE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

type Service = DirectoryServer['services'][number];

/** `tcp/80 http www 900`: a service as a directory has it. */
export function service(text: string): Service {
  const [where, protocol, name, score] = text.split(' ') as [string, string, string, string];
  const [transport, ports] = where.split('/') as ['tcp' | 'udp', string];
  const [first, last] = ports.split('-').map(Number) as [number, number | undefined];
  return { name, protocol, transport, ports: [{ first, last: last ?? first }], score: Number(score) };
}

/** A directory from VIP → server's address → its services. */
export function directory(tree: Record<string, Record<string, readonly string[]>>): WantedDirectory {
  const byName = new Map<string, Set<Address>>();
  const byVip = Object.entries(tree).map(([vip, servers]) => {
    const list = Object.entries(servers).map(([unique, texts]): DirectoryServer => {
      const services = texts.map(service);
      for (const { name } of services) byName.set(name, (byName.get(name) ?? new Set()).add(address(vip)));
      return { server: unique as ServerId, address: address(unique), services };
    });
    return [address(vip), list] as const;
  });
  return {
    byVip: Table.from(byVip),
    byName: Table.from([...byName].map(([name, vips]) => [name, [...vips]] as const)),
  };
}

export const query = (fields: Partial<Query> = {}): Query => ({
  type: 'query',
  nonce: NONCE,
  selector: {},
  want: 0,
  signed: false,
  padding: 0,
  ...fields,
});

export const queryBytes = (fields: Partial<Query> = {}): Uint8Array => encodeAnycast(query(fields));

/** Decodes, and insists on the type. */
export function expectType<T extends AnycastMessage['type']>(
  bytes: Uint8Array | undefined,
  type: T,
  padded = false,
): Extract<AnycastMessage, { type: T }> {
  if (bytes === undefined) throw new Error(`no ${type} was sent`);
  const message = decodeAnycast(bytes, padded);
  if (message.type !== type) throw new Error(`${type} was expected, not ${JSON.stringify(message)}`);
  return message as Extract<AnycastMessage, { type: T }>;
}

export const OWN = '02:00:00:00:00:01' as Mac;
export const CLIENT = '02:00:00:00:00:99' as Mac;

export const station = (fields: { mac?: Mac; mtu?: number; address?: Address } = {}) => ({
  name: 'lan0',
  mac: OWN,
  address: address('10.1.0.1'),
  mtu: 1500,
  ...fields,
  macBytes: macBytes(fields.mac ?? OWN),
});

export const link = (fields: Partial<Link> = {}): Link => ({
  name: 'lan0',
  index: 2,
  mac: OWN,
  up: true,
  mtu: 1500,
  addresses: [{ address: address('10.1.0.1'), length: 24 }],
  ...fields,
});

/** Interfaces that a test sets, with what was sent on them, and a way to put frames onto them. */
export class ListedLinks implements Links {
  links: Link[] = [];
  readonly sent: Uint8Array[] = [];
  readonly opened: string[] = [];
  private readonly receivers = new Map<string, (frame: Uint8Array) => void>();

  list(): readonly Link[] {
    return this.links;
  }

  open(name: string, _filter: string, _ring: number, onFrame: (frame: Uint8Array) => void): LinkSocket {
    if (!this.links.some(candidate => candidate.name === name && candidate.up))
      throw new Error('that device is not up');
    this.opened.push(name);
    this.receivers.set(name, onFrame);
    return {
      send: frame => void this.sent.push(frame.slice()),
      close: () => void this.receivers.delete(name),
    };
  }

  receive(name: string, frame: Uint8Array): void {
    this.receivers.get(name)?.(frame);
  }
}

export { newCounters };
