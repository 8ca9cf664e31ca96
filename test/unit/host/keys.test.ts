import { createHash, generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { createSigner, identify, verify } from '../../../appliance/host/keys.ts';

const pem = (type: 'ed25519' | 'x25519'): string =>
  generateKeyPairSync(type as 'ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
const message = new TextEncoder().encode('a lease');

test('what a signer signed verifies under its public key, and nothing else does', () => {
  const signer = createSigner(pem('ed25519'));
  const other = createSigner(pem('ed25519'));
  const signature = signer.sign(message);
  expect(signature).toHaveLength(64);
  expect(verify(signer.publicKey, message, signature)).toBe(true);
  expect(verify(signer.publicKey, message, signature), 'and from the cache').toBe(true);
  expect(verify(other.publicKey, message, signature)).toBe(false);
  expect(verify(signer.publicKey, message.subarray(1), signature)).toBe(false);
  expect(verify(signer.publicKey, message, signature.subarray(1))).toBe(false);
  for (const at of [0, 31, 63]) {
    const broken = signature.slice();
    broken[at]! ^= 1;
    expect(verify(signer.publicKey, message, broken)).toBe(false);
  }
});

test('what is no Ed25519 key verifies nothing, and does not throw', () => {
  const signature = createSigner(pem('ed25519')).sign(message);
  for (const key of [
    new Uint8Array(),
    new Uint8Array(44),
    new Uint8Array(44).fill(255),
    new Uint8Array(5000),
  ])
    expect(verify(key, message, signature)).toBe(false);
});

test('the identity is the SHA-256 of the SPKI', () => {
  const { id, publicKey } = createSigner(pem('ed25519'));
  expect(id).toBe(createHash('sha256').update(publicKey).digest('hex'));
  expect(identify(publicKey)).toBe(id);
});

test('another kind of key, or none, is refused with the mend and without the key', () => {
  expect(() => createSigner(pem('x25519'))).toThrow(
    "an Ed25519 key is needed, not x25519: make one with 'bivouac pki issue'",
  );
  expect(() => createSigner('secret')).toThrow(/^not a private key in PEM \(one begins/);
});
