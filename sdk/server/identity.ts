/**
 * Who a server is: the hash of its certificate's key, or, on plain TCP, something that stays the same on this host.
 */
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { invalid } from '../client/question.ts';
import { identityOf } from '../client/trust.ts';
import type { Identity } from '../transport/environment.ts';
import type { ServerId } from '../wire/model.ts';

/** The identity that a certificate gives. Throws BivouacError EINVAL if it cannot be read. */
export function certifiedIdentity({ certificate }: Identity): ServerId {
  try {
    const key = new X509Certificate(certificate).publicKey;
    return identityOf(key.export({ type: 'spki', format: 'der' })) as ServerId;
  } catch (error) {
    throw invalid('tls.certificate', (error as Error).message, 'the PEM text of a certificate');
  }
}

/** For plain TCP, where anybody may claim anything: made of the host's machine-id (machine-id(5)) and the server's name. */
export function plainIdentity(name: string): ServerId {
  const machine = machineId() ?? randomBytes(16).toString('hex');
  return createHash('sha256').update(`bivouac plain\0${machine}\0${name}`).digest('hex') as ServerId;
}

function machineId(): string | undefined {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
