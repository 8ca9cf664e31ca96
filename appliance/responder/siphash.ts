/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012), as RFC 9018 §4.4 takes it for cookies: a keyed hash of short input that nobody can
 * guess without the key. 64-bit words are pairs of 32-bit ones, high and low, in variables: every query with a cookie passes here.
 */

/** The 8 bytes of SipHash-2-4 over `input`, least significant byte first. `key` has 16 bytes. */
export function sipHash(key: Uint8Array, input: Uint8Array): Uint8Array {
  if (key.length !== 16) throw new RangeError(`a SipHash key has 16 bytes, not ${key.length}`);
  const [k0l, k0h, k1l, k1h] = [word(key, 0), word(key, 4), word(key, 8), word(key, 12)];
  // "somepseudorandomlygeneratedbytes"
  let v0h = k0h ^ 0x736f6d65;
  let v0l = k0l ^ 0x70736575;
  let v1h = k1h ^ 0x646f7261;
  let v1l = k1l ^ 0x6e646f6d;
  let v2h = k0h ^ 0x6c796765;
  let v2l = k0l ^ 0x6e657261;
  let v3h = k1h ^ 0x74656462;
  let v3l = k1l ^ 0x79746573;
  // Whole words, then what is left with the length as its last byte, then the end.
  const words = (input.length >> 3) + 1;
  for (let step = 0; step <= words; step++) {
    const atEnd = step === words;
    const low = atEnd ? 0 : word(input, step * 8);
    let high = atEnd ? 0 : word(input, step * 8 + 4);
    if (step === words - 1) high |= input.length << 24;
    if (atEnd) v2l ^= 0xff;
    v3l ^= low;
    v3h ^= high;
    for (let round = atEnd ? 4 : 2; round > 0; round--) {
      let sum = (v0l >>> 0) + (v1l >>> 0);
      let turned = (v1h << 13) | (v1l >>> 19);
      v0h = (v0h + v1h + (sum > MOST ? 1 : 0)) | 0;
      v1l = ((v1l << 13) | (v1h >>> 19)) ^ sum;
      v1h = turned ^ v0h;
      // Turned by 32.
      v0l = v0h;
      v0h = sum | 0;

      sum = (v2l >>> 0) + (v3l >>> 0);
      turned = (v3h << 16) | (v3l >>> 16);
      v2h = (v2h + v3h + (sum > MOST ? 1 : 0)) | 0;
      v2l = sum | 0;
      v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
      v3h = turned ^ v2h;

      sum = (v0l >>> 0) + (v3l >>> 0);
      turned = (v3h << 21) | (v3l >>> 11);
      v0h = (v0h + v3h + (sum > MOST ? 1 : 0)) | 0;
      v0l = sum | 0;
      v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
      v3h = turned ^ v0h;

      sum = (v2l >>> 0) + (v1l >>> 0);
      turned = (v1h << 17) | (v1l >>> 15);
      v2h = (v2h + v1h + (sum > MOST ? 1 : 0)) | 0;
      v1l = ((v1l << 17) | (v1h >>> 15)) ^ sum;
      v1h = turned ^ v2h;
      v2l = v2h;
      v2h = sum | 0;
    }
    v0l ^= low;
    v0h ^= high;
  }
  const [low, high] = [v0l ^ v1l ^ v2l ^ v3l, v0h ^ v1h ^ v2h ^ v3h];
  const bytes = new Uint8Array(8);
  for (let index = 0; index < 4; index++) {
    bytes[index] = low >>> (8 * index);
    bytes[index + 4] = high >>> (8 * index);
  }
  return bytes;
}

const MOST = 0xffffffff;

/** Four bytes, least significant first; those beyond the end are zero. */
const word = (bytes: Uint8Array, at: number): number =>
  at + 4 <= bytes.length
    ? bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    : (bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24);
