/**
 * The plain elements and their numbers (docs/protocol.md §4.3; a test holds code and text together). Groups: groups.ts.
 * Numbers are never used again for something else.
 */
import {
  digest,
  ipAddress,
  type Kind,
  opaque,
  pair,
  presence,
  table,
  table16,
  unsigned,
  zeros,
} from './kinds.ts';
import type { Element } from './layout.ts';
import { REFUSAL, type RefusalCode } from './messages.ts';
import {
  type CheckKind,
  type ForwardMode,
  type ManagerId,
  type ReportedState,
  type Scheduler,
  type ServerId,
  type ServiceState,
  TRANSPORT,
} from './model.ts';
import { portRanges } from './ports.ts';
import { taggedScores } from './scores.ts';
import { dnsName, protocolName, sentence, text } from './text.ts';

/** Must be understood: a receiver that does not know it could not act rightly without it. */
export const must = <T>(number: number, name: string, kind: Kind<T>): Element<T> => ({
  number,
  name,
  mandatory: true,
  kind,
});

/** May be skipped by a receiver that does not know it. */
export const may = <T>(number: number, name: string, kind: Kind<T>): Element<T> => ({
  number,
  name,
  mandatory: false,
  kind,
});

const U32 = 0xffff_ffff;
const U48 = 0xffff_ffff_ffff;

export const CHECK_KIND: Readonly<Record<CheckKind, number>> = {
  none: 0,
  tcp: 1,
  http: 2,
  https: 3,
  icmp: 4,
  dns: 5,
  udp: 6,
  tls: 7,
  h323: 8,
  sip: 9,
  exec: 10,
};
export const FORWARD_MODE: Readonly<Record<ForwardMode, number>> = {
  none: 0,
  nat: 1,
  direct: 2,
  tunnel: 3,
  redirect: 4,
};
export const SCHEDULER: Readonly<Record<Scheduler, number>> = {
  wrr: 1,
  'source-hash': 2,
  wlc: 3,
  maglev: 4,
};
export const STATE: Readonly<Record<ServiceState, number>> = {
  pending: 1,
  up: 2,
  draining: 3,
  down: 4,
  damped: 5,
};

// Exchanges
export const nonce = must(0x0001, 'nonce', opaque(8, 8));
export const cookie = must(0x0002, 'cookie', opaque(8, 32));
export const signature = must(0x0003, 'signature', opaque(64, 64));
export const padding = may(0x0004, 'padding', zeros);
export const versions = must(0x0005, 'versions', pair(1, 1, 255));
export const version = must(0x0006, 'version', unsigned(1, 1, 255));
export const software = may(0x0007, 'software', text(128));
export const serverName = may(0x0008, 'server-name', text(253));
export const managerName = may(0x0009, 'manager-name', text(63));
export const refusalCode = must(0x000a, 'refusal-code', table16<RefusalCode>(REFUSAL, 'internal'));
export const sentenceText = may(0x000b, 'sentence', sentence(512));
export const sequence = must(0x000c, 'sequence', unsigned(4, 0, U32));
export const part = must(0x000d, 'part', unsigned(2, 1, 1024));
export const parts = must(0x000e, 'parts', unsigned(2, 1, 1024));
export const validity = must(0x000f, 'validity', unsigned(4, 0, U32));

// Who and where
export const serverId = must(0x0010, 'server-id', digest<ServerId>());
export const managerId = must(0x0011, 'manager-id', digest<ManagerId>());
export const address = must(0x0012, 'address', ipAddress);
export const port = must(0x0013, 'port', unsigned(2, 1, 65_535));
export const tls = must(0x0014, 'tls', presence);
export const epoch = must(0x0015, 'epoch', unsigned(6, 1, U48));
export const heartbeatInterval = must(0x0016, 'heartbeat-interval', unsigned(4, 10, 60_000));
export const elsewhere = may(0x0017, 'elsewhere', presence);

// VIPs and leases
export const vip = must(0x0018, 'vip', ipAddress);
export const family = must(0x0019, 'family', ipFamily());
export const shared = must(0x001a, 'shared', presence);
export const duration = must(0x001b, 'duration', unsigned(4, 1, U32));
/** X.509 in DER (RFC 5280). */
export const certificate = may(0x001c, 'certificate', opaque(1, 2048));

// Services
export const serviceId = must(0x0020, 'service-id', unsigned(4, 1, U32));
export const serviceName = must(0x0021, 'service-name', dnsName);
export const transport = must(0x0022, 'transport', table(TRANSPORT));
export const ports = must(0x0023, 'ports', portRanges);
export const targetPort = must(0x0024, 'target-port', unsigned(2, 1, 65_535));
export const protocol = must(0x0025, 'protocol', protocolName);
export const weight = must(0x0026, 'weight', unsigned(2, 1, 1000));
export const capacity = may(0x0027, 'capacity', unsigned(4, 1, U32));

// Checks
export const checkKind = must(0x0028, 'check-kind', table(CHECK_KIND, 'unsupported-check'));
export const checkInterval = must(0x0029, 'check-interval', unsigned(4, 50, 3_600_000));
export const checkTimeout = must(0x002a, 'check-timeout', unsigned(4, 10, 60_000));
export const rise = must(0x002b, 'rise', unsigned(1, 1, 16));
export const fall = must(0x002c, 'fall', unsigned(1, 1, 16));
export const target = must(0x002d, 'target', text(1024));
export const expectText = must(0x002e, 'expect-text', text(1024, true));
export const expectStatus = must(0x002f, 'expect-status', pair(2, 0, 999));
export const send = must(0x0030, 'send', opaque(1, 512));
export const expect = must(0x0031, 'expect', opaque(1, 512));

// Forwarding
export const mode = must(0x0032, 'mode', table(FORWARD_MODE, 'unsupported-mode'));
export const scheduler = must(0x0033, 'scheduler', table(SCHEDULER, 'unsupported-mode'));
export const affinity = must(0x0034, 'affinity', unsigned(4, 1, U32));
export const affinityPrefix = must(0x0035, 'affinity-prefix', unsigned(1, 1, 128));
export const affinityBy = must(0x0036, 'affinity-by', table<'sip'>({ sip: 1 }, 'unsupported-mode'));

// Health and score
export const state = must(0x0038, 'state', table(STATE));
/** The same element within a report, where a server may say no more than these. */
export const reportedState = must(0x0038, 'state', table<ReportedState>({ up: 2, draining: 3, down: 4 }));
export const connections = must(0x0039, 'connections', unsigned(4, 0, U32));
export const load = may(0x003a, 'load', unsigned(2, 0, 1000));
export const score = must(0x003b, 'score', unsigned(2, 0, 1000));

// Queries
export const want = must(0x0040, 'want', unsigned(1, 1, 255));
export const sign = must(0x0041, 'sign', presence);
export const omitted = may(0x0042, 'omitted', unsigned(4, 1, U32));

// Notices
export const boot = must(0x0080, 'boot', unsigned(6, 1, U48));
export const change = must(0x0081, 'change', unsigned(6, 0, U48));
export const since = must(0x0082, 'since', unsigned(6, 0, U48));
export const anycastPort = must(0x0083, 'anycast-port', unsigned(2, 1, 65_535));
export const host = may(0x0084, 'host', opaque(1, 32));
export const gone = must(0x0085, 'gone', presence);
export const whole = must(0x0086, 'whole', presence);
export const beat = must(0x0087, 'beat', unsigned(6, 1, U48));
export const entries = must(0x0088, 'entries', unsigned(4, 0, U32));
export const servers = must(0x0089, 'servers', unsigned(4, 0, U32));
export const image = may(0x0093, 'image', opaque(8, 8));
export const weightSum = may(0x0092, 'weight-sum', unsigned(4, 0, U32));

// Polls
export const scores = must(0x00a0, 'scores', taggedScores);
export const linkName = may(0x00a1, 'link-name', text(32));
export const input = may(0x00a2, 'input', unsigned(6, 0, U48));
export const output = may(0x00a3, 'output', unsigned(6, 0, U48));
export const rate = may(0x00a4, 'rate', unsigned(6, 1, U48));
export const use = may(0x00a5, 'use', unsigned(2, 0, 1000));
export const rtt = may(0x00a6, 'rtt', unsigned(4, 0, U32));
export const jitter = may(0x00a7, 'jitter', unsigned(4, 0, U32));
export const loss = may(0x00a8, 'loss', unsigned(2, 0, 1000));

function ipFamily(): Kind<4 | 6> {
  const number = table({ '4': 4, '6': 6 });
  return {
    depth: 0,
    read: (bytes, start, end) => (number.read(bytes, start, end) === '4' ? 4 : 6),
    write: (writer, value) => number.write(writer, `${value}`),
  };
}
