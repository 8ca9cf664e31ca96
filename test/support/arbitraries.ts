/** fast-check arbitraries of everything that goes over the wire, within the ranges of docs/protocol.md. */
import fc from 'fast-check';
import { type Address, addressFromBytes } from '../../sdk/wire/address.ts';
import type {
  AnycastMessage,
  ManagerMessage,
  NoticeMessage,
  RefusalCode,
  ServerMessage,
} from '../../sdk/wire/messages.ts';
import { REFUSAL } from '../../sdk/wire/messages.ts';
import type {
  AnsweredServer,
  Check,
  CheckKind,
  ForwardMode,
  Lease,
  ManagerId,
  PortRange,
  Report,
  Selector,
  ServerId,
  Service,
  ServiceState,
  Transport,
} from '../../sdk/wire/model.ts';
import type { PollMessage } from '../../sdk/wire/poll-messages.ts';
import { normalisePorts } from '../../sdk/wire/ports.ts';

const bytes = (least: number, most: number) =>
  fc.uint8Array({ minLength: least, maxLength: most }).map(array => Uint8Array.from(array));
const u32 = fc.integer({ min: 1, max: 0xffff_ffff });
const oneOf = <T extends string>(...words: T[]) => fc.constantFrom(...words);
/** `T` with the optional keys left out rather than undefined. */
const partial = <T extends object, K extends keyof T>(
  model: { [Key in keyof T]: fc.Arbitrary<T[Key]> },
  requiredKeys: K[],
) => fc.record(model, { requiredKeys }) as fc.Arbitrary<Pick<T, K> & Partial<T>>;

const ipv4: fc.Arbitrary<Address> = bytes(4, 4).map(array => addressFromBytes(array)!);
const ipv6: fc.Arbitrary<Address> = bytes(16, 16).map(array => addressFromBytes(array)!);
const anyAddress = fc.oneof(ipv4, ipv6);

const digest = fc.stringMatching(/^[0-9a-f]{64}$/);
const serverId = digest as fc.Arbitrary<ServerId>;
const managerId = digest as fc.Arbitrary<ManagerId>;

const printable = (most: number) =>
  fc
    .string({ unit: 'grapheme', maxLength: most })
    .map(text => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ''))
    .filter(text => new TextEncoder().encode(text).length <= most);

const dnsName = fc
  .array(fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/), { minLength: 1, maxLength: 4 })
  .map(labels => labels.join('.'));

const range: fc.Arbitrary<PortRange> = fc
  .tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 0, max: 400 }))
  .map(([first, more]) => ({ first, last: Math.min(65_535, first + more) }));
const ports: fc.Arbitrary<readonly PortRange[]> = fc
  .array(range, { minLength: 1, maxLength: 16 })
  .map(normalisePorts);

const transport = oneOf<Transport>('tcp', 'udp', 'sctp');
const protocol = fc.stringMatching(/^[a-z0-9.-]{1,32}$/);
const score = fc.integer({ min: 0, max: 1000 });
const signature = bytes(64, 64);

export const lease: fc.Arbitrary<Lease> = fc.record({
  vip: anyAddress,
  server: serverId,
  issuer: managerId,
  epoch: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
  duration: u32,
  shared: fc.boolean(),
  signature: fc.oneof(signature, fc.constant(new Uint8Array(0))),
});

const check: fc.Arbitrary<Check> = fc.record({
  kind: oneOf<CheckKind>('none', 'tcp', 'http', 'https', 'icmp', 'dns', 'udp', 'tls', 'h323', 'sip', 'exec'),
  port: fc.integer({ min: 0, max: 65_535 }),
  interval: fc.integer({ min: 50, max: 3_600_000 }),
  timeout: fc.integer({ min: 10, max: 60_000 }),
  rise: fc.integer({ min: 1, max: 16 }),
  fall: fc.integer({ min: 1, max: 16 }),
  target: printable(40),
  expectText: fc.oneof(printable(40), fc.constant('line\r\nline')),
  expectStatus: fc
    .tuple(fc.integer({ min: 0, max: 599 }), fc.integer({ min: 0, max: 400 }))
    .map(([low, more]) => [low, low + more] as const),
  send: bytes(0, 40),
  expect: bytes(0, 40),
});

const service: fc.Arbitrary<Service> = fc.record({
  id: u32,
  name: dnsName,
  vip: anyAddress,
  transport,
  ports,
  targetPort: fc.integer({ min: 0, max: 65_535 }),
  protocol,
  weight: fc.integer({ min: 1, max: 1000 }),
  capacity: fc.integer({ min: 0, max: 0xffff_ffff }),
  check,
  forward: fc.record(
    {
      mode: oneOf<ForwardMode>('nat', 'direct', 'tunnel', 'redirect', 'none'),
      scheduler: oneOf('wrr', 'source-hash', 'wlc', 'maglev'),
      affinity: fc.integer({ min: 0, max: 0xffff_ffff }),
      affinityPrefix: fc.integer({ min: 1, max: 128 }),
      affinityBy: fc.constant('sip' as const),
    },
    { requiredKeys: ['mode', 'scheduler', 'affinity'] },
  ),
});

const report: fc.Arbitrary<Report> = fc.record({
  service: u32,
  state: oneOf('up', 'draining', 'down'),
  connections: fc.integer({ min: 0, max: 0xffff_ffff }),
  load: score,
});

const transaction = u32;
const is = <T extends string>(type: T) => fc.constant(type);
const versions = fc
  .tuple(fc.integer({ min: 1, max: 255 }), fc.integer({ min: 1, max: 255 }))
  .map(([left, right]) => [Math.min(left, right), Math.max(left, right)] as const);
const refusal = fc.constantFrom(...(Object.keys(REFUSAL) as RefusalCode[]));
const heartbeat = { type: is('heartbeat'), sequence: fc.integer({ min: 0, max: 0xffff_ffff }) };

const pace = { type: is('pace'), heartbeat: fc.integer({ min: 10, max: 60_000 }) };

const serverMessage: fc.Arbitrary<ServerMessage> = fc.oneof(
  fc.record({
    type: is('register'),
    transaction,
    versions,
    server: serverId,
    name: printable(60),
    addresses: fc.array(anyAddress, { minLength: 1, maxLength: 8 }),
    epoch: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
    heartbeat: fc.oneof(fc.constant(0), fc.integer({ min: 10, max: 60_000 })),
    leases: fc.array(lease, { maxLength: 4 }),
    certificates: fc.array(bytes(1, 300), { maxLength: 3 }),
    software: printable(40),
  }),
  partial<
    Extract<ServerMessage, { type: 'lease-request' }>,
    'type' | 'transaction' | 'family' | 'shared' | 'service'
  >(
    {
      type: is('lease-request'),
      transaction,
      vip: anyAddress,
      family: fc.constantFrom(4, 6),
      shared: fc.boolean(),
      service: fc.oneof(fc.constant(''), dnsName),
    } as never,
    ['type', 'transaction', 'family', 'shared', 'service'],
  ),
  fc.record({ type: is('lease-renew'), transaction, vip: anyAddress }),
  fc.record({ type: is('lease-release'), transaction, vip: anyAddress }),
  fc.record({ type: is('register-service'), transaction, service }),
  fc.record({ type: is('drain-service'), transaction, service: u32 }),
  fc.record({ type: is('withdraw-service'), transaction, service: u32 }),
  fc.record(
    { type: is('deregister'), transaction, elsewhere: fc.constant(true as const) },
    { requiredKeys: ['type', 'transaction'] },
  ),
  fc.record({ type: is('report'), reports: fc.array(report, { minLength: 1, maxLength: 5 }) }),
  fc.record(pace),
  fc.record(heartbeat),
);

const managerMessage: fc.Arbitrary<ManagerMessage> = fc.oneof(
  fc.record({
    type: is('registered'),
    transaction,
    version: fc.integer({ min: 1, max: 255 }),
    manager: managerId,
    name: printable(20),
    heartbeat: fc.integer({ min: 10, max: 60_000 }),
    software: printable(40),
  }),
  fc.record({ type: is('lease'), transaction, lease }),
  fc.record({ type: is('done'), transaction }),
  fc.record({
    type: is('refused'),
    transaction: fc.oneof(fc.constant(0), u32),
    code: refusal,
    sentence: printable(80),
  }),
  fc.record({
    type: is('service-state'),
    service: u32,
    state: oneOf<ServiceState>('pending', 'up', 'draining', 'down', 'damped'),
    score,
    reason: printable(80),
  }),
  fc.record({ type: is('lease-revoked'), vip: anyAddress, code: refusal, sentence: printable(80) }),
  fc.record(pace),
  fc.record(heartbeat),
);

export const registrationMessage = fc.oneof(serverMessage, managerMessage);

const selector: fc.Arbitrary<Selector> = fc.record({ protocol, transport, ports }, { requiredKeys: [] });

const answeredServer: fc.Arbitrary<AnsweredServer> = fc.record({
  address: anyAddress,
  score,
  services: fc.array(fc.record({ name: dnsName, protocol, transport, ports, score }), {
    minLength: 1,
    maxLength: 6,
  }),
});

const answeredManager = fc.record({
  manager: managerId,
  name: printable(20),
  addresses: fc.array(anyAddress, { minLength: 1, maxLength: 4 }),
  anycastPort: fc.integer({ min: 1, max: 65_535 }),
  vips: fc.array(anyAddress, { minLength: 1, maxLength: 8 }),
  score,
});

const nonce = bytes(8, 8);

export const query = fc.record(
  {
    type: is('query'),
    nonce,
    vip: anyAddress,
    name: dnsName,
    selector,
    want: fc.integer({ min: 0, max: 255 }),
    signed: fc.boolean(),
    cookie: bytes(8, 32),
    padding: fc.integer({ min: 0, max: 200 }),
  },
  { requiredKeys: ['type', 'nonce', 'selector', 'want', 'signed', 'padding'] },
);

const answer = fc
  .record(
    {
      type: is('answer'),
      nonce,
      manager: managerId,
      vip: anyAddress,
      part: fc.integer({ min: 1, max: 1024 }),
      parts: fc.integer({ min: 1, max: 1024 }),
      validity: fc.integer({ min: 0, max: 0xffff_ffff }),
      omitted: u32,
      managers: fc.record({ list: fc.array(answeredManager, { minLength: 1, maxLength: 4 }) }),
      servers: fc.array(answeredServer, { maxLength: 6 }),
      signature,
    },
    { requiredKeys: ['type', 'nonce', 'manager', 'part', 'parts', 'validity', 'servers'] },
  )
  .map(message => ({ ...message, parts: Math.max(message.part, message.parts) }));

export const anycastMessage: fc.Arbitrary<AnycastMessage> = fc.oneof(
  query,
  answer,
  fc.record({ type: is('cookie'), nonce, cookie: bytes(8, 32) }),
  fc.record({ type: is('query-refused'), nonce, code: refusal, sentence: printable(80) }),
  fc.record({ type: is('solicit'), nonce, versions, padding: fc.integer({ min: 0, max: 200 }) }),
  fc.record({
    type: is('invite'),
    nonce,
    manager: managerId,
    name: printable(20),
    address: anyAddress,
    port: fc.integer({ min: 1, max: 65_535 }),
    tls: fc.boolean(),
  }),
) as fc.Arbitrary<AnycastMessage>;

const epoch = fc.integer({ min: 1, max: 2 ** 48 - 1 });
const change = fc.integer({ min: 0, max: 2 ** 48 - 1 });

const speaker = {
  manager: managerId,
  name: printable(20),
  addresses: fc.array(anyAddress, { maxLength: 8 }),
  anycastPort: fc.integer({ min: 1, max: 65_535 }),
  port: fc.integer({ min: 1, max: 65_535 }),
  tls: fc.boolean(),
  boot: epoch,
  change,
};
const spoken = ['manager', 'name', 'addresses', 'anycastPort', 'port', 'tls', 'boot', 'change'] as const;

const noticedBinding = fc.record({
  vip: anyAddress,
  server: serverId,
  epoch,
  shared: fc.boolean(),
  hosts: fc.array(bytes(1, 32), { maxLength: 4 }),
  gone: fc.boolean(),
});

const noticedOffer = fc.record(
  {
    name: dnsName,
    vip: anyAddress,
    transport,
    ports,
    protocol,
    mode: oneOf<ForwardMode>('nat', 'direct', 'tunnel', 'redirect', 'none'),
    score,
    servers: fc.integer({ min: 0, max: 0xffff_ffff }),
    gone: fc.boolean(),
    weight: fc.integer({ min: 0, max: 0xffff_ffff }),
  },
  { requiredKeys: ['name', 'vip', 'transport', 'ports', 'protocol', 'mode', 'score', 'servers', 'gone'] },
);

/** Signed by nobody: the signature is noise. */
export const noticeMessage: fc.Arbitrary<NoticeMessage> = fc.oneof(
  fc
    .record(
      {
        type: is('notice'),
        ...speaker,
        since: change,
        nonce,
        whole: fc.boolean(),
        bindings: fc.array(noticedBinding, { maxLength: 5 }),
        offers: fc.array(noticedOffer, { maxLength: 3 }),
        signature,
      },
      {
        requiredKeys: ['type', ...spoken, 'since', 'whole', 'bindings', 'offers', 'signature'],
      },
    )
    .filter(message => message.since < message.change),
  fc.record(
    {
      type: is('refresh'),
      ...speaker,
      nonce,
      cookie: bytes(8, 32),
      certificate: bytes(1, 600),
      beat: epoch,
      validity: u32,
      entries: u32,
      gone: fc.boolean(),
      image: nonce,
      signature,
    },
    { requiredKeys: ['type', ...spoken, 'beat', 'validity', 'entries', 'gone', 'signature'] },
  ),
  fc.record(
    {
      type: is('repair'),
      nonce,
      cookie: bytes(8, 32),
      manager: managerId,
      boot: epoch,
      since: change,
      certificate: bytes(1, 600),
      padding: fc.integer({ min: 0, max: 900 }),
      signature,
    },
    { requiredKeys: ['type', 'nonce', 'since', 'certificate', 'padding', 'signature'] },
  ),
) as fc.Arbitrary<NoticeMessage>;

const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const micros = fc.integer({ min: 0, max: 0xffff_ffff });

export const pollMessage: fc.Arbitrary<PollMessage> = fc.oneof(
  fc.record(
    {
      type: is('poll'),
      nonce,
      cookie: bytes(8, 32),
      part: fc.integer({ min: 1, max: 1024 }),
      certificate: bytes(1, 600),
      padding: fc.integer({ min: 0, max: 100 }),
      signature,
    },
    { requiredKeys: ['type', 'nonce', 'part', 'padding', 'signature'] },
  ),
  fc
    .record(
      {
        type: is('poll-reply'),
        nonce,
        manager: managerId,
        cookie: bytes(8, 32),
        certificate: bytes(1, 600),
        part: fc.integer({ min: 1, max: 1024 }),
        parts: fc.integer({ min: 1, max: 1024 }),
        scores: fc.array(fc.record({ tag: u48, score }), { minLength: 1, maxLength: 128 }),
        links: fc.array(fc.record({ name: printable(10), input: u48, output: u48, rate: u48, use: score }), {
          maxLength: 4,
        }),
        paths: fc.array(fc.record({ manager: managerId, rtt: micros, jitter: micros, loss: score }), {
          maxLength: 4,
        }),
        signature,
      },
      { requiredKeys: ['type', 'nonce', 'manager', 'part', 'parts', 'links', 'paths', 'signature'] },
    )
    .map(message => ({ ...message, parts: Math.max(message.part, message.parts) })),
  fc.record({ type: is('probe'), nonce }),
  fc.record({ type: is('echo'), nonce }),
) as fc.Arbitrary<PollMessage>;
