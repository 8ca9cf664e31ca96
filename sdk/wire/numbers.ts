/** Message types (docs/protocol.md §3.1), and the blocks of numbers that are set aside for what is not specified yet. */
import type { AnycastMessage, NoticeMessage, RegistrationMessage } from './messages.ts';
import type { PollMessage } from './poll-messages.ts';

export const MESSAGE: Readonly<
  Record<(RegistrationMessage | AnycastMessage | NoticeMessage | PollMessage)['type'], number>
> = {
  // From a server
  register: 0x01,
  'lease-request': 0x02,
  'lease-renew': 0x03,
  'lease-release': 0x04,
  'register-service': 0x05,
  'drain-service': 0x06,
  'withdraw-service': 0x07,
  deregister: 0x08,
  report: 0x09,
  // Either way
  pace: 0x0e,
  heartbeat: 0x0f,
  // From a manager
  registered: 0x11,
  lease: 0x12,
  done: 0x13,
  refused: 0x14,
  'service-state': 0x15,
  'lease-revoked': 0x16,
  // Anycast ARP and finding a manager
  query: 0x21,
  answer: 0x22,
  cookie: 0x23,
  'query-refused': 0x24,
  solicit: 0x25,
  invite: 0x26,
  // Between managers, and to GSLBs
  notice: 0x30,
  refresh: 0x31,
  repair: 0x32,
  // From a GSLB to a manager, and between managers
  poll: 0x38,
  'poll-reply': 0x39,
  probe: 0x3a,
  echo: 0x3b,
};

/** First and last number of each block, both included. */
export const RESERVED_MESSAGES = {
  notices: [0x33, 0x37],
  polls: [0x3c, 0x3f],
  gslb: [0x40, 0x47],
  dhcp: [0x48, 0x4f],
  experiments: [0xf0, 0xff],
} as const;

export const RESERVED_ELEMENTS = {
  notices: [0x0094, 0x009f],
  polls: [0x00ab, 0x00af],
  gslb: [0x00b2, 0x00bf],
  dhcp: [0x00c0, 0x00cf],
  experiments: [0x7f00, 0x7fff],
} as const;
