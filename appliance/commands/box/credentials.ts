/**
 * Whether the certificates, keys and lists that a configuration names are of any use together.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { CheckFiles } from '../../box/choose.ts';
import { readCertificate } from '../../host/certificates.ts';
import { verify } from '../../host/keys.ts';
import { readRevoked } from '../../pki/crl.ts';

/** As `bivouac run` would find them, but all faults at once. */
export const checkCredentials: CheckFiles = ({ tls, routing }, text) => {
  const faults: string[] = [];
  const attempt = <T>(what: string, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      faults.push(`${what}: ${(error as Error).message}`);
      return undefined;
    }
  };
  if (tls !== undefined) {
    const authority = attempt('tls.ca', () => new X509Certificate(text('tls.ca')));
    const own = attempt('tls.certificate', () => new X509Certificate(text('tls.certificate')));
    const key = attempt('tls.key', () => createPrivateKey(text('tls.key')));
    if (authority && own && !own.verify(authority.publicKey))
      faults.push('tls.certificate: the authority in tls.ca did not issue it');
    if (own && key && !own.checkPrivateKey(key)) faults.push('tls.key: it is not the key of tls.certificate');
    if (tls.crl !== undefined)
      attempt('tls.crl', () =>
        readRevoked(text('tls.crl'), readCertificate(text('tls.ca')).publicKey, verify),
      );
  }
  if (routing.password !== undefined && !/^[!-~]{1,16}$/.test(text('routing.password').trim()))
    faults.push('routing.password: an OSPF key has 1 to 16 printable characters without blanks');
  return faults;
};
