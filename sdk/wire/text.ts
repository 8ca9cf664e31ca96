/** Text in elements: UTF-8, bounded, without control characters, so that it may go to a log or a terminal as it is. */
import { fail, type Kind } from './kinds.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

// C0, DEL, C1, and the separators and direction marks that rearrange a line of a log.
const CONTROL = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
const CONTROLS = new RegExp(CONTROL, 'gu');

/** The text in bytes[start…end). Throws WireError if it is not UTF-8. */
function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= 64) {
    let text = '';
    let at = start;
    while (at < end && bytes[at]! < 0x80) text += String.fromCharCode(bytes[at++]!);
    if (at === end) return text;
  }
  try {
    return decoder.decode(bytes.subarray(start, end));
  } catch {
    return fail(start, 'not UTF-8');
  }
}

/** UTF-8 of at most `most` bytes; `controls`: whether control characters may be in it. */
export function text(most: number, controls = false): Kind<string> {
  const check = (value: string, offset: number): string => {
    if (!controls && CONTROL.test(value)) fail(offset, 'control characters in a text');
    return value;
  };
  const fits = (length: number, offset: number): void => {
    if (length > most) fail(offset, `a text of ${length} bytes, at most ${most} are allowed`, 'limit');
  };
  return {
    depth: 0,
    read(bytes, start, end) {
      fits(end - start, start);
      return check(readUtf8(bytes, start, end), start);
    },
    write(writer, value) {
      check(value, writer.at);
      // In UTF-8 a text is never shorter than its length.
      fits(value.length, writer.at);
      if (writer.ascii(value)) return;
      const bytes = encoder.encode(value);
      fits(bytes.length, writer.at);
      writer.raw(bytes);
    },
  };
}

/** A sentence for people: what is too long is cut and what is a control character becomes a space when it is written. */
export function sentence(most: number): Kind<string> {
  const strict = text(most);
  return {
    depth: 0,
    read: strict.read,
    write(writer, value) {
      const clean = CONTROL.test(value) ? value.replace(CONTROLS, ' ') : value;
      if (clean.length > most || !writer.ascii(clean)) writer.raw(cutUtf8(clean, most));
    },
  };
}

/** The longest beginning of `value` that is whole characters and at most `most` bytes of UTF-8. */
function cutUtf8(value: string, most: number): Uint8Array {
  const bytes = encoder.encode(value);
  if (bytes.length <= most) return bytes;
  let end = most;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Whether it is a DNS name as services bear it: lower case, without the root dot, ≤ 253 bytes, labels ≤ 63 (RFC 1035 §2.3.4). */
export const isDnsName = (name: string): boolean =>
  name.length <= 253 && name.split('.').every(label => LABEL.test(label));

/** A DNS name as `isDnsName` has it. */
export const dnsName: Kind<string> = constrained(
  253,
  isDnsName,
  'a DNS name in lower case without the root dot',
);

/** An application protocol's name: `http`, `h323`, `sip.tls`. */
export const protocolName: Kind<string> = constrained(
  32,
  name => /^[a-z0-9.-]{1,32}$/.test(name),
  '1…32 of a-z, 0-9, - and .',
);

function constrained(most: number, holds: (value: string) => boolean, wanted: string): Kind<string> {
  const plain = text(most);
  const check = (value: string, offset: number): string =>
    holds(value) ? value : fail(offset, `'${value}' is not ${wanted}`);
  return {
    depth: 0,
    read: (bytes, start, end) => check(plain.read(bytes, start, end), start),
    write: (writer, value) => plain.write(writer, check(value, writer.at)),
  };
}
