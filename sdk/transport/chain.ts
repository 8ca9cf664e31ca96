/**
 * Whether a certificate is one of an authority, judged without OpenSSL's clock (docs/protocol.md §5.2): nodes in the field wake up in
 * 1970, and who is shut out is shut out by a list, not by dates.
 */
import { X509Certificate } from 'node:crypto';

/** Extended key usages (RFC 5280 §4.2.1.12). */
const USAGE = { client: '1.3.6.1.5.5.7.3.2', server: '1.3.6.1.5.5.7.3.1' } as const;
export type Usage = keyof typeof USAGE;

/** OpenSSL's names of verification errors that are of time alone; others may hide behind them. */
const OF_TIME: ReadonlySet<string> = new Set(['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']);

/** Whether this is what TLS says of a chain that (also) has a certificate whose time is not now. */
export const isOfTime = (error: unknown): boolean =>
  OF_TIME.has(error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : `${error}`);

/** The certificates in a PEM text. Throws when one cannot be read. */
export const certificatesIn = (pem: string): readonly X509Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map(
    block => new X509Certificate(block),
  );

/** Whether one of these authorities issued the certificate directly; names, key identifiers, key usages and the signature are looked at. */
export const isIssuedBy = (certificate: X509Certificate, authorities: readonly X509Certificate[]): boolean =>
  authorities.some(
    authority =>
      authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey),
  );

/** Whether the certificate may be used so: it says it, or says nothing of its use. It is never an authority's own. */
export function isFor(certificate: X509Certificate, usage: Usage): boolean {
  // Node's typing has an array; it is undefined where the extension is not there.
  const usages = certificate.keyUsage as readonly string[] | undefined;
  return !certificate.ca && (usages === undefined || usages.includes(USAGE[usage]));
}

/** Whether a certificate that TLS found fault with is good but for its time: issued by an authority of `ca` (PEM) for `usage`. */
export function isGoodButForTime(
  certificate: X509Certificate | undefined,
  ca: string,
  usage: Usage,
): boolean {
  if (certificate === undefined) return false;
  try {
    return isIssuedBy(certificate, certificatesIn(ca)) && isFor(certificate, usage);
  } catch {
    return false;
  }
}
