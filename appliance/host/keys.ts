/**
 * Ed25519 keys and the identities made of them (docs/protocol.md §3).
 */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  verify as verifySignature,
} from 'node:crypto';
import type { ManagerId, ServerId } from '../../sdk/wire/model.ts';
import { ED25519_SPKI } from './net-certificate.ts';
import type { Hmac, Signer, Verify } from './ports.ts';

/** The identity of a key's holder, from the DER of its SPKI: a ServerId and a ManagerId are made alike. */
export const identify = (publicKey: Uint8Array): ServerId & ManagerId =>
  createHash('sha256').update(publicKey).digest('hex') as ServerId & ManagerId;

/** The signer of a private key in PEM. Throws when it is not an Ed25519 key; the message never holds the key. */
export function createSigner(pem: string): Signer {
  const key = readPrivateKey(pem);
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error(
      `an Ed25519 key is needed, not ${key.asymmetricKeyType}: make one with 'bivouac pki issue'`,
    );
  const publicKey = new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));
  return { id: identify(publicKey), publicKey, sign: bytes => new Uint8Array(sign(null, bytes, key)) };
}

/** Verify of ports.ts. */
export const verify: Verify = (publicKey, bytes, signature) => {
  const key = signature.length === 64 ? readPublicKey(publicKey) : undefined;
  return key !== undefined && verifySignature(null, bytes, key, signature);
};

/** Hmac of ports.ts. */
export const hmac: Hmac = (key, bytes) => new Uint8Array(createHmac('sha256', key).update(bytes).digest());

function readPrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new Error("not a private key in PEM (one begins with '-----BEGIN PRIVATE KEY-----')");
  }
}

/** Reading a key costs about as much as half a verification, and the same few are asked for again and again. */
const KEYS = 1024;
const known = new Map<string, KeyObject>();

/** Anything but Ed25519 is not even parsed. */
function readPublicKey(spki: Uint8Array): KeyObject | undefined {
  if (spki.length !== 44 || ED25519_SPKI.some((byte, index) => spki[index] !== byte)) return undefined;
  const name = Buffer.from(spki).toString('latin1');
  const before = known.get(name);
  if (before !== undefined) return before;
  const key = createPublicKey({ key: Buffer.from(spki), type: 'spki', format: 'der' });
  if (known.size >= KEYS) known.delete(known.keys().next().value!);
  known.set(name, key);
  return key;
}
