/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012), as RFC 9018 §4.4 takes it for cookies: a keyed hash of short input that nobody can
 * guess without the key. 64-bit words are pairs of 32-bit ones.
 */

/** The 8 bytes of SipHash-2-4 over `input`, least significant byte first. `key` has 16 bytes. */
export function sipHash(key: Uint8Array, input: Uint8Array): Uint8Array {
  if (key.length !== 16) throw new RangeError(`a SipHash key has 16 bytes, not ${key.length}`);
  const keyView = new DataView(key.buffer, key.byteOffset, 16);
  const [k0l, k0h, k1l, k1h] = [0, 4, 8, 12].map(at => keyView.getUint32(at, true)) as [
    number,
    number,
    number,
    number,
  ];
  // v0…v3 as [low, high] each: "somepseudorandomlygeneratedbytes".
  const v = Uint32Array.of(
    k0l ^ 0x70736575,
    k0h ^ 0x736f6d65,
    k1l ^ 0x6e646f6d,
    k1h ^ 0x646f7261,
    k0l ^ 0x6e657261,
    k0h ^ 0x6c796765,
    k1l ^ 0x79746573,
    k1h ^ 0x74656462,
  );
  const padded = new Uint8Array((input.length >> 3) * 8 + 8);
  padded.set(input);
  padded[padded.length - 1] = input.length;
  const words = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const low = words.getUint32(at, true);
    const high = words.getUint32(at + 4, true);
    v[6]! ^= low;
    v[7]! ^= high;
    round(v);
    round(v);
    v[0]! ^= low;
    v[1]! ^= high;
  }
  v[4]! ^= 0xff;
  for (let turn = 0; turn < 4; turn++) round(v);
  const hash = new DataView(new ArrayBuffer(8));
  hash.setUint32(0, v[0]! ^ v[2]! ^ v[4]! ^ v[6]!, true);
  hash.setUint32(4, v[1]! ^ v[3]! ^ v[5]! ^ v[7]!, true);
  return new Uint8Array(hash.buffer);
}

/** SipRound: words are named by the index of their low half. */
function round(v: Uint32Array): void {
  add(v, 0, 2);
  rotate(v, 2, 13);
  xor(v, 2, 0);
  swap(v, 0);
  add(v, 4, 6);
  rotate(v, 6, 16);
  xor(v, 6, 4);
  add(v, 0, 6);
  rotate(v, 6, 21);
  xor(v, 6, 0);
  add(v, 4, 2);
  rotate(v, 2, 17);
  xor(v, 2, 4);
  swap(v, 4);
}

function add(v: Uint32Array, to: number, from: number): void {
  const low = v[to]! + v[from]!;
  v[to] = low;
  v[to + 1] = v[to + 1]! + v[from + 1]! + (low > 0xffffffff ? 1 : 0);
}

function xor(v: Uint32Array, to: number, from: number): void {
  v[to]! ^= v[from]!;
  v[to + 1]! ^= v[from + 1]!;
}

/** Rotates left by fewer than 32 bits. */
function rotate(v: Uint32Array, word: number, bits: number): void {
  const low = v[word]!;
  const high = v[word + 1]!;
  v[word] = (low << bits) | (high >>> (32 - bits));
  v[word + 1] = (high << bits) | (low >>> (32 - bits));
}

/** Rotates by 32 bits. */
function swap(v: Uint32Array, word: number): void {
  const low = v[word]!;
  v[word] = v[word + 1]!;
  v[word + 1] = low;
}
