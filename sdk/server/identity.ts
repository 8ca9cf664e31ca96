/**
 * Who a server is: the hash of its certificate's key, or, on plain TCP, something that stays the same on this host.
 */
import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { invalid } from '../client/question.ts';
import { identityOf } from '../client/trust.ts';
import type { Identity } from '../transport/environment.ts';
import type { ManagerId, ServerId } from '../wire/model.ts';

/** The identity that a certificate gives. Throws BivouacError EINVAL if it, its authority's or the key cannot be read, or do not fit. */
export function certifiedIdentity({ ca, certificate, key }: Identity): ServerId {
  const read = <T>(what: string, wanted: string, parse: () => T): T => {
    try {
      return parse();
    } catch (error) {
      throw invalid(`tls.${what}`, (error as Error).message, wanted);
    }
  };
  const own = read('certificate', 'the PEM text of a certificate', () => new X509Certificate(certificate));
  const secret = read('key', 'the PEM text of a private key', () => createPrivateKey(key));
  read('ca', "the PEM text of the authority's certificate", () => new X509Certificate(ca));
  if (!own.checkPrivateKey(secret))
    throw invalid('tls.key', "another certificate's key", `that of ${own.subject}`);
  return identityOf(own.publicKey.export({ type: 'spki', format: 'der' })) as ServerId;
}

/** Whose certificate (DER) it is; undefined if it cannot be read. */
export function managerOf(certificate: Uint8Array): ManagerId | undefined {
  try {
    const { publicKey } = new X509Certificate(certificate);
    return identityOf(publicKey.export({ type: 'spki', format: 'der' })) as ManagerId;
  } catch {
    return undefined;
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
