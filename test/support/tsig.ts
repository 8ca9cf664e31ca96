/** Signing and checking of DNS messages (RFC 8945) as tests do it, so that the server is not its own judge. */
import { createHmac } from 'node:crypto';
import { decodeDns, wireName } from './dns.ts';

/** What the desk's clock says. */
export const NOW = 1_700_000_000;
const SECRET = new TextEncoder().encode('a secret of some bytes');
export const KEYS = [{ name: 'some.key', secret: SECRET }];

export const u16 = (value: number): readonly number[] => [value >> 8, value & 255];
export const time = (seconds: number): readonly number[] => [
  ...u16(Math.floor(seconds / 2 ** 32)),
  ...u16((seconds >>> 16) & 0xffff),
  ...u16(seconds & 0xffff),
];
export const mac = (...parts: readonly Iterable<number>[]): Buffer =>
  createHmac('sha256', SECRET)
    .update(Uint8Array.from(parts.flatMap(part => [...part])))
    .digest();

export interface SignedFields {
  readonly key?: string;
  readonly algorithm?: string;
  readonly seconds?: number;
  readonly fudge?: number;
  readonly id?: number;
  readonly mac?: Uint8Array;
}

/** A message with TSIG at its end; and its MAC. */
export function signed(
  message: Uint8Array,
  fields: SignedFields = {},
): { bytes: Uint8Array; mac: Uint8Array } {
  const { key = 'some.key', algorithm = 'hmac-sha256', seconds = NOW, fudge = 300 } = fields;
  const times = [...time(seconds), ...u16(fudge)];
  const variables = [...wireName(key), 0, 255, 0, 0, 0, 0, ...wireName(algorithm), ...times, 0, 0, 0, 0];
  const own = fields.mac ?? mac(message, variables);
  const id = fields.id === undefined ? [...message.subarray(0, 2)] : u16(fields.id);
  const data = [...wireName(algorithm), ...times, ...u16(own.length), ...own, ...id, 0, 0, 0, 0];
  const bytes = Uint8Array.from([
    ...message,
    ...[...wireName(key), ...u16(250), 0, 255, 0, 0, 0, 0, ...u16(data.length), ...data],
  ]);
  bytes[11]!++;
  return { bytes, mac: own };
}

/** An answer and its record, apart. */
export interface Unsigned {
  readonly plain: Uint8Array;
  /** Seconds and fudge. */
  readonly times: readonly number[];
  readonly mac: Uint8Array;
  readonly error: number;
  readonly other: readonly number[];
}

/** The record at the end of an answer: error, MAC, other data; and the answer without it. */
export function unsigned(answer: Uint8Array, key = 'some.key'): Unsigned {
  const { additional } = decodeDns(answer);
  const record = additional.find(({ type }) => type === 250);
  if (record === undefined) throw new Error('not signed');
  const data = Buffer.from(record.data, 'hex');
  const plain = answer.slice(0, answer.length - data.length - 10 - wireName(key).length);
  plain[11]!--;
  const at = wireName('hmac-sha256').length;
  const size = data.readUInt16BE(at + 8);
  const tail = at + 10 + size;
  return {
    plain,
    times: [...data.subarray(at, at + 8)],
    mac: data.subarray(at + 10, tail),
    error: data.readUInt16BE(tail + 2),
    other: [...data.subarray(tail + 6)],
  };
}
