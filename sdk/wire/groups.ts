/** The elements that hold elements (docs/protocol.md §4.4). */
import * as element from './elements.ts';
import { locate, WireError } from './errors.ts';
import type { Kind } from './kinds.ts';
import { flag, many, one, optional, orElse, record } from './layout.ts';
import type { NoticedBinding, NoticedOffer } from './messages.ts';
import type {
  AnsweredManager,
  AnsweredServer,
  AnsweredService,
  Check,
  Forward,
  Lease,
  Report,
  Selector,
  Service,
} from './model.ts';
import type { ToldLink, ToldPath } from './poll-messages.ts';

const { must } = element;
const EMPTY = new Uint8Array(0);

/** Without its signature: what a lease's signature covers (lease.ts). */
export const unsignedLease = record<Omit<Lease, 'signature'>>({
  vip: one(element.vip),
  server: one(element.serverId),
  issuer: one(element.managerId),
  epoch: one(element.epoch),
  duration: one(element.duration),
  shared: flag(element.shared),
});

export const lease = must(
  0x0050,
  'lease',
  record<Lease>({
    vip: one(element.vip),
    server: one(element.serverId),
    issuer: one(element.managerId),
    epoch: one(element.epoch),
    duration: one(element.duration),
    shared: flag(element.shared),
    signature: orElse(element.signature, EMPTY),
  }),
);

export const check = must(
  0x0052,
  'check',
  record<Check>({
    kind: one(element.checkKind),
    port: orElse(element.port, 0),
    interval: one(element.checkInterval),
    timeout: one(element.checkTimeout),
    rise: one(element.rise),
    fall: one(element.fall),
    target: orElse(element.target, ''),
    expectText: orElse(element.expectText, ''),
    expectStatus: orElse(element.expectStatus, [0, 0]),
    send: orElse(element.send, EMPTY),
    expect: orElse(element.expect, EMPTY),
  }),
);

export const forward = must(
  0x0053,
  'forward',
  record<Forward>({
    mode: one(element.mode),
    scheduler: one(element.scheduler),
    affinity: orElse(element.affinity, 0),
    affinityPrefix: optional(element.affinityPrefix),
    affinityBy: optional(element.affinityBy),
  }),
);

/** Values that are well formed but not allowed in a service are refused as the service's fault, not the message's. */
export const service = must(
  0x0051,
  'service',
  blaming(
    record<Service>({
      id: one(element.serviceId),
      name: one(element.serviceName),
      vip: one(element.vip),
      transport: one(element.transport),
      ports: one(element.ports),
      targetPort: orElse(element.targetPort, 0),
      protocol: one(element.protocol),
      weight: one(element.weight),
      capacity: orElse(element.capacity, 0),
      check: one(check),
      forward: one(forward),
    }),
  ),
);

export const report = must(
  0x0054,
  'report',
  record<Report>({
    service: one(element.serviceId),
    state: one(element.reportedState),
    connections: one(element.connections),
    load: orElse(element.load, 0),
  }),
);

export const selector = must(
  0x0055,
  'selector',
  record<Selector>({
    protocol: optional(element.protocol),
    transport: optional(element.transport),
    ports: optional(element.ports),
  }),
);

export const answeredService = must(
  0x0057,
  'answered-service',
  record<AnsweredService>({
    name: one(element.serviceName),
    protocol: one(element.protocol),
    transport: one(element.transport),
    ports: one(element.ports),
    score: one(element.score),
  }),
);

/** Services of one server in one part of an answer. */
export const MAX_ANSWERED_SERVICES = 256;

export const answeredServer = must(
  0x0056,
  'answered-server',
  record<AnsweredServer>({
    address: one(element.address),
    score: one(element.score),
    services: many(answeredService, 1, MAX_ANSWERED_SERVICES),
  }),
);

export const answeredManager = must(
  0x00b1,
  'answered-manager',
  record<AnsweredManager>({
    manager: one(element.managerId),
    name: orElse(element.managerName, ''),
    addresses: many(element.address, 1, 4),
    anycastPort: one(element.anycastPort),
    vips: many(element.vip, 1, 8),
    score: one(element.score),
  }),
);

export const managers = must(
  0x00b0,
  'managers',
  record<{ readonly list: readonly AnsweredManager[] }>({ list: many(answeredManager, 1, 16) }),
);

/** Hosts in one binding. */
export const MAX_HOSTS = 4;

export const binding = must(
  0x0090,
  'binding',
  record<NoticedBinding>({
    vip: one(element.vip),
    server: one(element.serverId),
    epoch: one(element.epoch),
    shared: flag(element.shared),
    hosts: many(element.host, 0, MAX_HOSTS),
    gone: flag(element.gone),
  }),
);

export const offer = must(
  0x0091,
  'offer',
  record<NoticedOffer>({
    name: one(element.serviceName),
    vip: one(element.vip),
    transport: one(element.transport),
    ports: one(element.ports),
    protocol: one(element.protocol),
    mode: one(element.mode),
    score: one(element.score),
    servers: one(element.servers),
    weight: optional(element.weightSum),
    gone: flag(element.gone),
  }),
);

/** Of a manager's site; a receiver that knows nothing of links can do without. */
export const link = element.may(
  0x00a9,
  'link',
  record<ToldLink>({
    name: one(element.linkName),
    input: one(element.input),
    output: one(element.output),
    rate: orElse(element.rate, 0),
    use: orElse(element.use, 0),
  }),
);

export const roundTrip = element.may(
  0x00aa,
  'round-trip',
  record<ToldPath>({
    manager: one(element.managerId),
    rtt: one(element.rtt),
    jitter: one(element.jitter),
    loss: orElse(element.loss, 0),
  }),
);

function blaming<T>(kind: Kind<T>): Kind<T> {
  return {
    ...kind,
    read(bytes, start, end) {
      try {
        return kind.read(bytes, start, end);
      } catch (error) {
        if (error instanceof WireError && error.code === 'malformed')
          throw locate(error, {}, 'invalid-service');
        throw error;
      }
    },
  };
}
