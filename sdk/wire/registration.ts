/** Registration over a TCP or TLS stream: messages to bytes and back (docs/protocol.md §5). */
import { type Body, decodeBody, encodeBody } from './body.ts';
import * as element from './elements.ts';
import { locate, WireError } from './errors.ts';
import * as group from './groups.ts';
import { HEADER, type Header, readHeader } from './header.ts';
import { flag, type Layout, many, one, optional, orElse, record } from './layout.ts';
import type { RegistrationMessage } from './messages.ts';
import { VERSION } from './messages.ts';
import { MESSAGE } from './numbers.ts';

type Type = RegistrationMessage['type'];
type Of<T extends Type> = Extract<RegistrationMessage, { readonly type: T }>;
type Elements<T extends Type> = Omit<Of<T>, 'type' | 'transaction'>;

/** What the header's transaction is: of a request or its answer (1…2^32-1), of an answer to nothing in particular, or zero. */
type Transaction = 'required' | 'allowed' | 'none';

interface Shape extends Body<object> {
  readonly type: Type;
  readonly transaction: Transaction;
}

const shape = <T extends Type>(type: T, transaction: Transaction, layout: Layout<Elements<T>>): Shape => ({
  type,
  number: MESSAGE[type],
  transaction,
  codec: record(layout) as unknown as Shape['codec'],
});

/** Most of them that one message carries. */
const MAX_LEASES = 256;
const MAX_CERTIFICATES = 8;
const MAX_REPORTS = 1024;
const MAX_ADDRESSES = 8;

const service = { service: one(element.serviceId) };

/** Every registration message and its elements, in the order in which they are written. */
export const REGISTRATION: readonly Shape[] = [
  shape('register', 'required', {
    versions: one(element.versions),
    server: one(element.serverId),
    name: orElse(element.serverName, ''),
    addresses: many(element.address, 1, MAX_ADDRESSES),
    epoch: one(element.epoch),
    heartbeat: orElse(element.heartbeatInterval, 0),
    leases: many(group.lease, 0, MAX_LEASES),
    certificates: many(element.certificate, 0, MAX_CERTIFICATES),
    software: orElse(element.software, ''),
  }),
  shape('lease-request', 'required', {
    vip: optional(element.vip),
    family: one(element.family),
    shared: flag(element.shared),
    service: orElse(element.serviceName, ''),
  }),
  shape('lease-renew', 'required', { vip: one(element.vip) }),
  shape('lease-release', 'required', { vip: one(element.vip) }),
  shape('register-service', 'required', { service: one(group.service) }),
  shape('drain-service', 'required', service),
  shape('withdraw-service', 'required', service),
  shape('deregister', 'required', { elsewhere: optional(element.elsewhere) }),
  shape('report', 'none', { reports: many(group.report, 1, MAX_REPORTS) }),
  shape('pace', 'none', { heartbeat: one(element.heartbeatInterval) }),
  shape('heartbeat', 'none', { sequence: one(element.sequence) }),
  shape('registered', 'required', {
    version: one(element.version),
    manager: one(element.managerId),
    name: orElse(element.managerName, ''),
    heartbeat: one(element.heartbeatInterval),
    software: orElse(element.software, ''),
  }),
  shape('lease', 'required', { lease: one(group.lease) }),
  shape('done', 'required', {}),
  shape('refused', 'allowed', {
    code: one(element.refusalCode),
    sentence: orElse(element.sentenceText, ''),
  }),
  shape('service-state', 'none', {
    service: one(element.serviceId),
    state: one(element.state),
    score: one(element.score),
    reason: orElse(element.sentenceText, ''),
  }),
  shape('lease-revoked', 'none', {
    vip: one(element.vip),
    code: one(element.refusalCode),
    sentence: orElse(element.sentenceText, ''),
  }),
];

const byType = new Map(REGISTRATION.map(entry => [entry.type, entry]));
const byNumber = new Map(REGISTRATION.map(entry => [entry.number, entry]));

/** The message's bytes, header included. Throws WireError for a value out of its range or a message past 65,535 bytes. */
export function encodeRegistration(
  message: RegistrationMessage,
  version: number = VERSION.oldest,
): Uint8Array {
  const shape = byType.get(message.type)!;
  const transaction = 'transaction' in message ? message.transaction : 0;
  const least = shape.transaction === 'required' ? 1 : 0;
  if (!Number.isInteger(transaction) || transaction < least || transaction > 0xffff_ffff)
    throw new WireError('malformed', `transaction ${transaction} is not within ${least}…2^32-1`, {
      offset: 8,
    });
  return encodeBody(shape, message, transaction, version);
}

/**
 * The one message that `bytes` is. Throws WireError; also for a type that is not known here, with 'unknown-mandatory',
 * and for bytes behind the message.
 */
export function decodeRegistration(bytes: Uint8Array): RegistrationMessage {
  if (bytes.length < HEADER)
    throw new WireError('malformed', `${bytes.length} bytes, a header has ${HEADER}`, { offset: 0 });
  const header = readHeader(bytes);
  if (bytes.length !== HEADER + header.length) {
    throw new WireError(
      'malformed',
      `the header says ${header.length} bytes of elements, there are ${bytes.length - HEADER}`,
      {
        offset: 4,
        transaction: header.transaction,
      },
    );
  }
  const message = decodeAt(bytes, 0, header);
  if (message === undefined) throw unknownType(header);
  return message;
}

/**
 * Decodes the message at `at`, which is all there. Undefined: a type that is not known here and wants no answer, to be
 * skipped. Throws WireError with the transaction; the stream goes on behind the message.
 */
export function decodeAt(bytes: Uint8Array, at: number, header: Header): RegistrationMessage | undefined {
  const shape = byNumber.get(header.type);
  if (shape === undefined) {
    if (header.transaction === 0) return undefined;
    throw unknownType(header);
  }
  if (shape.transaction === 'required' && header.transaction === 0)
    throw new WireError('malformed', `a '${shape.type}' must carry a transaction, 1…2^32-1`, { offset: 8 });
  try {
    const elements = decodeBody(shape, bytes, at, header.length);
    return (
      shape.transaction === 'none'
        ? { type: shape.type, ...elements }
        : { type: shape.type, transaction: header.transaction, ...elements }
    ) as RegistrationMessage;
  } catch (error) {
    throw error instanceof WireError ? locate(error, { transaction: header.transaction }) : error;
  }
}

const unknownType = (header: Header): WireError =>
  new WireError(
    'unknown-mandatory',
    `message type ${header.type} is not known here; send only what version ${header.version} has`,
    {
      offset: 3,
      transaction: header.transaction,
    },
  );
