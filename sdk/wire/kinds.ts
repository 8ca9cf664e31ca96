/**
 * How values stand in an element: integers in network order, addresses, identities, text, tables (docs/protocol.md §4.2).
 * Each kind checks its own range in both directions, so that nothing is sent that the other side would refuse.
 */
import { type Address, addressBytes, addressFromBytes } from './address.ts';
import { WireError } from './errors.ts';
import type { RefusalCode } from './messages.ts';
import { readU16, readU32, type TlvWriter } from './tlv.ts';

export interface Kind<T> {
  /** Groups below this one, itself included; 0 for a plain value. */
  readonly depth: number;
  /** Reads the value that fills bytes[start…end). Throws WireError without an element: the caller knows it. */
  read(bytes: Uint8Array, start: number, end: number): T;
  write(writer: TlvWriter, value: T): void;
}

export function fail(offset: number, sentence: string, code: RefusalCode = 'malformed'): never {
  throw new WireError(code, sentence, { offset });
}

function needLength(start: number, end: number, length: number): void {
  if (end - start !== length) fail(start, `its value must be ${length} bytes long, not ${end - start}`);
}

/** An unsigned integer of 1, 2, 4 or 6 bytes within least…most. */
export function unsigned(size: 1 | 2 | 4 | 6, least: number, most: number): Kind<number> {
  const check = (value: number, offset: number): number => {
    if (!Number.isInteger(value) || value < least || value > most)
      fail(offset, `${value} is not within ${least}…${most}`);
    return value;
  };
  return {
    depth: 0,
    read(bytes, start, end) {
      needLength(start, end, size);
      if (size === 4) return check(readU32(bytes, start), start);
      if (size === 2) return check(readU16(bytes, start), start);
      if (size === 1) return check(bytes[start]!, start);
      return check(readU16(bytes, start) * 0x1_0000_0000 + readU32(bytes, start + 2), start);
    },
    write(writer, value) {
      check(value, writer.at);
      if (size === 4) writer.u32(value);
      else if (size === 2) writer.u16(value);
      else if (size === 1) writer.u8(value);
      else {
        writer.u16(Math.floor(value / 0x1_0000_0000));
        writer.u32(value % 0x1_0000_0000);
      }
    },
  };
}

/** Two integers, the first not above the second. */
export function pair(size: 1 | 2, least: number, most: number): Kind<readonly [number, number]> {
  const one = unsigned(size, least, most);
  const check = (low: number, high: number, offset: number): readonly [number, number] => {
    if (low > high) fail(offset, `${low} is above ${high}; give the lower one first`);
    return [low, high];
  };
  return {
    depth: 0,
    read(bytes, start, end) {
      needLength(start, end, size * 2);
      return check(one.read(bytes, start, start + size), one.read(bytes, start + size, end), start);
    },
    write(writer, [low, high]) {
      check(low, high, writer.at);
      one.write(writer, low);
      one.write(writer, high);
    },
  };
}

/** Bytes as they are, least…most of them. Read as a copy, so that a message never keeps a received buffer alive. */
export function opaque(least: number, most: number): Kind<Uint8Array> {
  const check = (length: number, offset: number): void => {
    if (length >= least && length <= most) return;
    fail(
      offset,
      `its value must be ${least === most ? least : `${least}…${most}`} bytes long, not ${length}`,
    );
  };
  return {
    depth: 0,
    read(bytes, start, end) {
      check(end - start, start);
      // Not bytes.slice: a Node Buffer's slice shares memory.
      const copy = new Uint8Array(end - start);
      for (let index = 0; index < copy.length; index++) copy[index] = bytes[start + index]!;
      return copy;
    },
    write(writer, value) {
      check(value.length, writer.at);
      writer.raw(value);
    },
  };
}

/** As many zero bytes as the number says. A receiver does not look at them. */
export const zeros: Kind<number> = {
  depth: 0,
  read: (_bytes, start, end) => end - start,
  write(writer, count) {
    if (!Number.isInteger(count) || count < 0) fail(writer.at, `padding of ${count} bytes`);
    writer.zeros(count);
  },
};

/** Nothing: the element's presence says `true`. */
export const presence: Kind<true> = {
  depth: 0,
  read(_bytes, start, end) {
    needLength(start, end, 0);
    return true;
  },
  write() {},
};

/** 4 bytes: IPv4; 16: IPv6. */
export const ipAddress: Kind<Address> = {
  depth: 0,
  read(bytes, start, end) {
    if (end - start === 4)
      return `${bytes[start]}.${bytes[start + 1]}.${bytes[start + 2]}.${bytes[start + 3]}` as Address;
    return (
      addressFromBytes(bytes.subarray(start, end)) ??
      fail(start, `an address is 4 or 16 bytes long, not ${end - start}`)
    );
  },
  write(writer, value) {
    writer.raw(addressBytes(value));
  },
};

const HEX_DIGITS = '0123456789abcdef';

/** The value of a hex digit's code: `0`…`9` end in 0…9, `a`…`f` in 1…6. */
const digitOf = (code: number): number => (code & 15) + (code > 57 ? 9 : 0);

/** A SHA-256 as 64 lower-case hex digits; 32 bytes on the wire. */
export function digest<T extends string>(): Kind<T> {
  return {
    depth: 0,
    read(bytes, start, end) {
      needLength(start, end, 32);
      const codes = new Array<number>(64);
      for (let at = 0; at < 32; at++) {
        const byte = bytes[start + at]!;
        codes[at * 2] = HEX_DIGITS.charCodeAt(byte >> 4);
        codes[at * 2 + 1] = HEX_DIGITS.charCodeAt(byte & 15);
      }
      // At once: digit by digit it would be a chain of 32 strings, and is to be kept.
      return String.fromCharCode(...codes) as T;
    },
    write(writer, value) {
      if (!/^[0-9a-f]{64}$/.test(value))
        fail(writer.at, `an identity is 64 lower-case hex digits, not '${value}'`);
      for (let at = 0; at < 64; at += 2)
        writer.u8((digitOf(value.charCodeAt(at)) << 4) | digitOf(value.charCodeAt(at + 1)));
    },
  };
}

/** A one-byte number that stands for a word. An unknown number is refused with `unknown`. */
export function table<T extends string>(
  words: Readonly<Record<T, number>>,
  unknown: RefusalCode = 'malformed',
): Kind<T> {
  const byNumber = new Map<number, T>();
  for (const word in words) byNumber.set(words[word], word);
  const known = (): string =>
    Object.entries(words)
      .map(([word, number]) => `${number} ${word}`)
      .join(', ');
  return {
    depth: 0,
    read(bytes, start, end) {
      needLength(start, end, 1);
      return byNumber.get(bytes[start]!) ?? fail(start, `${bytes[start]} is none of ${known()}`, unknown);
    },
    write(writer, value) {
      const number = words[value] ?? fail(writer.at, `'${value}' is none of ${known()}`, unknown);
      writer.u8(number);
    },
  };
}

/** Like `table`, on two bytes. */
export function table16<T extends string>(words: Readonly<Record<T, number>>, other: T): Kind<T> {
  const byNumber = new Map<number, T>();
  for (const word in words) byNumber.set(words[word], word);
  return {
    depth: 0,
    read(bytes, start, end) {
      needLength(start, end, 2);
      return byNumber.get(readU16(bytes, start)) ?? other;
    },
    write(writer, value) {
      writer.u16(words[value]);
    },
  };
}
