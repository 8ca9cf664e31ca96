/**
 * The managers' public keys that a client trusts (docs/protocol.md §7.6).
 */
import { createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import type { AnycastMessage } from '../wire/messages.ts';
import type { ManagerId } from '../wire/model.ts';
import { signedPart } from '../wire/signing.ts';
import { invalid } from './question.ts';

/** A key object, PEM of one or more public keys or certificates, or DER of an SPKI. Ed25519. */
export type PublicKey = KeyObject | string | Uint8Array;

type Answer = Extract<AnycastMessage, { type: 'answer' }>;

/** Whether an answer is signed by one of the trusted keys, and by the manager that it names. */
export type Trust = (answer: Answer, bytes: Uint8Array) => boolean;

/** SHA-256 of the key's SPKI, as ManagerId and ServerId are made. */
export const identityOf = (spki: Uint8Array): string => createHash('sha256').update(spki).digest('hex');

/** Throws BivouacError EINVAL for a key that cannot be read or is not Ed25519. */
export function trustIn(given: PublicKey | readonly PublicKey[]): Trust {
  const keys = new Map<ManagerId, KeyObject>();
  for (const key of (Array.isArray(given) ? given : [given]).flatMap(read)) {
    if (key.asymmetricKeyType !== 'ed25519')
      throw invalid('publicKey', key.asymmetricKeyType, "a manager's Ed25519 key");
    keys.set(identityOf(key.export({ type: 'spki', format: 'der' })) as ManagerId, key);
  }
  if (keys.size === 0) throw invalid('publicKey', '', 'at least one key');
  return (answer, bytes) => {
    const key = keys.get(answer.manager);
    if (key === undefined || answer.signature?.length !== 64) return false;
    return verify(null, signedPart(bytes), key, answer.signature);
  };
}

function read(key: PublicKey): KeyObject[] {
  try {
    if (typeof key === 'string') {
      const blocks = key.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----/g) ?? [];
      return blocks.map(block =>
        block.includes('CERTIFICATE') ? new X509Certificate(block).publicKey : createPublicKey(block),
      );
    }
    if (key instanceof Uint8Array)
      return [createPublicKey({ key: Buffer.from(key), type: 'spki', format: 'der' })];
    return [key];
  } catch (error) {
    throw invalid('publicKey', (error as Error).message, 'PEM, DER of an SPKI, or a KeyObject');
  }
}
