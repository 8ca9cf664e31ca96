/** Every vector of docs/protocol.md: read, compared, written again; every one cut short, with lies, and in pieces. */
import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { WireError } from '../../../sdk/wire/errors.ts';
import { leaseToSign } from '../../../sdk/wire/lease.ts';
import type { Lease } from '../../../sdk/wire/model.ts';
import { appendSignature, signedPart } from '../../../sdk/wire/signing.ts';
import { RegistrationParser } from '../../../sdk/wire/stream.ts';
import { elementEnd, readU16 } from '../../../sdk/wire/tlv.ts';
import { decodeCarrier, encodeCarrier } from '../../support/codecs.ts';
import { type Vector, vectorKey, vectors } from '../../support/vectors.ts';

const readable = vectors.filter(({ refuse, carrier }) => refuse === undefined && carrier !== 'lease-to-sign');
const written = vectors.filter(({ refuse, acceptOnly }) => refuse === undefined && !acceptOnly);
const refused = vectors.filter(({ refuse }) => refuse !== undefined);
const named = (name: string): Vector => vectors.find(vector => vector.name === name)!;

/** What decoding threw, or undefined. Anything but a WireError fails the test. */
function refusal(vector: Vector, bytes: Uint8Array): WireError | undefined {
  try {
    decodeCarrier(vector.carrier, bytes);
    return undefined;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return error;
  }
}

test('the text has vectors of each sort, each named once', () => {
  expect(readable.length).toBeGreaterThan(40);
  expect(refused.length).toBeGreaterThan(12);
  expect(new Set(vectors.map(({ name }) => name)).size).toBe(vectors.length);
});

describe('reading gives the value', () => {
  test.each(readable.map(vector => [vector.name, vector] as const))('%s', (_name, vector) => {
    expect(vector.value).toBeDefined();
    expect(decodeCarrier(vector.carrier, vector.bytes)).toEqual(vector.value);
  });
});

describe('writing gives the bytes', () => {
  test.each(written.map(vector => [vector.name, vector] as const))('%s', (_name, vector) => {
    expect(encodeCarrier(vector.carrier, vector.value)).toEqual(vector.bytes);
  });
});

describe('refused with its code', () => {
  test.each(refused.map(vector => [vector.name, vector] as const))('%s', (_name, vector) => {
    expect(refusal(vector, vector.bytes)?.code).toBe(vector.refuse);
  });

  test('an unknown mandatory element is named, with its place and the transaction', () => {
    const vector = named('mandatory-unknown');
    const error = refusal(vector, vector.bytes)!;
    expect(error).toMatchObject({ element: 0x7f01, offset: 20, transaction: 6, fatal: false });
    expect(error.message).toContain('0x7f01');
    expect(error.message).toContain('at byte 20');
  });
});

describe('cut short at every byte', () => {
  test.each(readable.map(vector => [vector.name, vector] as const))('%s', (_name, vector) => {
    const isArp = vector.carrier === 'frame';
    const end = isArp ? contentEnd(vector) : vector.bytes.length;
    for (let length = 0; length < end; length++) {
      const bytes = vector.bytes.slice(0, length);
      // A frame without its EtherType is not an ARP frame at all.
      if (isArp && length < 14) expect(decodeCarrier('frame', bytes)).toBeUndefined();
      else expect(refusal(vector, bytes), `cut to ${length} bytes`).toBeInstanceOf(WireError);
    }
  });
});

describe('with every length field altered', () => {
  test.each(
    readable.filter(vector => lengthFields(vector).length > 0).map(vector => [vector.name, vector] as const),
  )('%s', (_name, vector) => {
    for (const at of lengthFields(vector)) {
      const truth = readU16(vector.bytes, at);
      for (const lie of new Set([0, 1, truth - 1, truth + 1, truth + 4, truth * 2, 0x7fff, 0xffff])) {
        if (lie === truth || lie < 0) continue;
        const bytes = Uint8Array.from(vector.bytes);
        bytes[at] = lie >> 8;
        bytes[at + 1] = lie & 255;
        const error = refusal(vector, bytes);
        if (error === undefined) {
          // Some lies make another whole message; never one that says the same.
          expect(decodeCarrier(vector.carrier, bytes), `length at ${at} = ${lie}`).not.toEqual(vector.value);
        } else expect(error.offset).toBeLessThanOrEqual(bytes.length);
      }
    }
  });
});

describe('the stream cut at every byte', () => {
  const stream = readable.filter(({ carrier }) => carrier === 'registration');
  const whole = Uint8Array.from(stream.flatMap(({ bytes }) => [...bytes]));
  const values = stream.map(({ value }) => value);

  test('in two', () => {
    for (let cut = 0; cut <= whole.length; cut++) {
      const parser = new RegistrationParser();
      expect([...parser.push(whole.slice(0, cut)), ...parser.push(whole.slice(cut))].length).toBe(
        values.length,
      );
      expect(parser.buffered).toBe(0);
    }
  });

  test('into single bytes', () => {
    const parser = new RegistrationParser();
    expect(Array.from(whole, byte => parser.push(Uint8Array.of(byte))).flat()).toEqual(values);
  });

  test('not at all', () => {
    expect(new RegistrationParser().push(whole)).toEqual(values);
  });
});

describe('signatures', () => {
  const publicKey = createPublicKey({ key: Buffer.from(vectorKey.spki), format: 'der', type: 'spki' });
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), vectorKey.seed]);
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const identity = createHash('sha256').update(vectorKey.spki).digest('hex');

  test.each(['lease-stored'])('%s', name => {
    const lease = named(name).value as Lease;
    expect(lease.issuer).toBe(identity);
    expect(verify(null, leaseToSign(lease), publicKey, lease.signature)).toBe(true);
    expect(verify(null, leaseToSign({ ...lease, shared: true }), publicKey, lease.signature)).toBe(false);
  });

  test.each(
    vectors.filter(
      ({ carrier, refuse, value }) =>
        (carrier === 'notice' || carrier === 'poll') &&
        refuse === undefined &&
        (value as { signature?: unknown }).signature !== undefined,
    ),
  )('the signature of $name is that of the manager’s key', ({ bytes }) => {
    expect(verify(null, signedPart(bytes), publicKey, bytes.subarray(-64))).toBe(true);
  });

  test('the signed answer is the unsigned one with a signature over signedPart', () => {
    const signed = named('answer-signed').bytes;
    const part = signedPart(signed);
    expect(verify(null, part, publicKey, signed.subarray(-64))).toBe(true);
    const unsigned = named('answer').bytes;
    expect(signedPart(unsigned)).toEqual(part);
    expect(appendSignature(unsigned, new Uint8Array(sign(null, part, privateKey)))).toEqual(signed);
  });
});

/** Where the message in a frame ends, or the ARP body if there is none: behind it a frame may be cut. */
function contentEnd({ bytes }: Vector): number {
  return bytes[21]! >= 24 ? 42 + 12 + readU16(bytes, 46) : 42;
}

/** Offsets of all length fields: of the header, and of each element at each level. */
function lengthFields({ carrier, bytes }: Vector): number[] {
  const base = carrier === 'frame' ? 42 : 0;
  if (carrier === 'frame' && bytes[21]! < 24) return [];
  if (carrier === 'lease') return nested(bytes, 0, bytes.length);
  return [base + 4, ...nested(bytes, base + 12, base + 12 + readU16(bytes, base + 4))];
}

const GROUPS = new Set([0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x90, 0x91, 0xa9, 0xaa, 0xb0, 0xb1]);

function nested(bytes: Uint8Array, start: number, end: number): number[] {
  const fields: number[] = [];
  for (let at = start; at < end; at = elementEnd(bytes, at, end)) {
    fields.push(at + 2);
    if (GROUPS.has(readU16(bytes, at) & 0x7fff))
      fields.push(...nested(bytes, at + 4, elementEnd(bytes, at, end)));
  }
  return fields;
}
