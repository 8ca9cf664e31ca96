/** Text on the wire: what may be in it, what may not, and that nothing of it is lost or changed. */
import { describe, expect, test } from 'vitest';
import { WireError } from '../../../sdk/wire/errors.ts';
import type { Kind } from '../../../sdk/wire/kinds.ts';
import { dnsName, isDnsName, protocolName, sentence, text } from '../../../sdk/wire/text.ts';
import { TlvWriter } from '../../../sdk/wire/tlv.ts';

const encoder = new TextEncoder();
const read = <T>(kind: Kind<T>, bytes: Uint8Array): T | string => {
  try {
    return kind.read(bytes, 0, bytes.length);
  } catch (error) {
    return `refused: ${(error as WireError).code}`;
  }
};
const written = (kind: Kind<string>, value: string): string => {
  const writer = new TlvWriter();
  kind.write(writer, value);
  return new TextDecoder().decode(writer.finish());
};

describe('text', () => {
  test.each(['', 'plain', 'héllo wörld', '日本語', '🙂'.repeat(20), '\ufeffmarked', 'a'.repeat(100)])(
    '%j',
    value => {
      expect(read(text(253), encoder.encode(value))).toBe(value);
      expect(written(text(253), value)).toBe(new TextDecoder().decode(encoder.encode(value)));
    },
  );

  test.each([
    ['a bare continuation byte', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a character cut short', [0x61, 0xe2, 0x82]],
    ['beyond Unicode', [0xf5, 0x80, 0x80, 0x80]],
    ['a line feed', [0x61, 0x0a]],
    ['an escape sequence', [0x1b, 0x5b, 0x33, 0x31, 0x6d]],
    ['a C1 control', [0xc2, 0x9b]],
    ['a direction override', [0xe2, 0x80, 0xae]],
  ])('%s is refused', (_case, bytes) => {
    expect(read(text(253), Uint8Array.from(bytes))).toBe('refused: malformed');
  });

  test('too long is refused by its bytes, not its characters', () => {
    expect(read(text(4), encoder.encode('éé'))).toBe('éé');
    expect(read(text(4), encoder.encode('ééé'))).toBe('refused: limit');
    expect(() => written(text(4), 'ééé')).toThrow(WireError);
  });

  test('body text may hold lines', () =>
    expect(read(text(20, true), encoder.encode('a\r\nb'))).toBe('a\r\nb'));
});

test('a sentence is cut between characters', () => {
  expect(written(sentence(7), 'aé🙂')).toBe('aé🙂');
  expect(written(sentence(6), 'aé🙂')).toBe('aé');
  expect(written(sentence(2), 'aé🙂')).toBe('a');
  expect(written(sentence(20), 'a\nb\u001b\u202e')).toBe('a b  ');
});

describe('names', () => {
  test.each([
    'a',
    'www.example',
    '_sip._udp.example',
    'xn--bcher-kva.example',
    '1.2.3',
    'a-b',
    'a'.repeat(63),
  ])('%s', name => expect(isDnsName(name)).toBe(true));
  test.each(['', '.', 'a.', '.a', 'a..b', 'A', '-a', 'a-', 'a b', 'é', 'a'.repeat(64), 'a/b', '*.a'])(
    '%j is none',
    name => {
      expect(isDnsName(name)).toBe(false);
      expect(read(dnsName, encoder.encode(name))).toBe('refused: malformed');
    },
  );
  test('253 bytes are enough', () => {
    const label = 'a'.repeat(63);
    expect(isDnsName([label, label, label, 'a'.repeat(61)].join('.'))).toBe(true);
    expect(isDnsName([label, label, label, 'a'.repeat(62)].join('.'))).toBe(false);
  });
  test('protocols', () => {
    expect(read(protocolName, encoder.encode('sip.tls-2'))).toBe('sip.tls-2');
    for (const bad of ['', 'HTTP', 'a b', 'a'.repeat(33), 'h/2'])
      expect(read(protocolName, encoder.encode(bad))).toMatch(/^refused/);
  });
});
