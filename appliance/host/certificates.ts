/**
 * Certificates in PEM as people look at them.
 */
import { X509Certificate } from 'node:crypto';
import { certificatesIn, isIssuedBy } from '../../sdk/transport/chain.ts';
import { identify } from './keys.ts';
import { peerCertificate } from './net-certificate.ts';
import type { CertificateFacts, Inspected } from './ports.ts';

/** Reads certificates in DER and sees whether the authority (PEM) issued them. Throws when the authority's cannot be read. */
export function inspectorOf(ca: string): (der: Uint8Array) => Inspected | undefined {
  const authorities = certificatesIn(ca);
  if (authorities.length === 0) throw new Error("the authority's file holds no certificate in PEM");
  return der => {
    try {
      const certificate = new X509Certificate(der);
      // OpenSSL reads PEM too, and passes over what stands behind the certificate: neither is the DER that was asked for.
      if (certificate.raw.length !== der.length) return undefined;
      return {
        ...peerCertificate(certificate),
        keyType: certificate.publicKey.asymmetricKeyType ?? 'unknown',
        authority: certificate.ca,
        issued: isIssuedBy(certificate, authorities),
        notBefore: new Date(certificate.validFrom),
        notAfter: new Date(certificate.validTo),
      };
    } catch {
      return undefined;
    }
  };
}

/** The DER of the first certificate of a PEM text. Throws an Error in one sentence. */
export const derOf = (pem: string): Uint8Array => new Uint8Array(parse(pem).raw);

/** Reads the first certificate of a PEM text. Throws an Error in one sentence; the message never holds a key. */
export function readCertificate(pem: string): CertificateFacts {
  const certificate = parse(pem);
  const { publicKey, uris, serial } = peerCertificate(certificate);
  return {
    organization: field(certificate.subject, 'O'),
    commonName: field(certificate.subject, 'CN'),
    issuer: field(certificate.issuer, 'CN'),
    serial,
    authority: certificate.ca,
    notBefore: new Date(certificate.validFrom),
    notAfter: new Date(certificate.validTo),
    fingerprint: certificate.fingerprint256,
    id: identify(publicKey),
    publicKey,
    keyType: certificate.publicKey.asymmetricKeyType ?? 'unknown',
    uris,
  };
}

function parse(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    const isKey = pem.includes('PRIVATE KEY-----');
    throw new Error(
      isKey ? 'a private key, not a certificate: give the .pem beside it' : 'not a certificate in PEM',
    );
  }
}

/** A field of a distinguished name as node writes it: one `KEY=value` a line. */
const field = (name: string, key: string): string =>
  name
    .split('\n')
    .find(line => line.startsWith(`${key}=`))
    ?.slice(key.length + 1) ?? '';
