/**
 * What a peer's certificate says, read strictly: a certificate that cannot be read without doubt says nothing.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import type { Peer } from './ports.ts';

/** The identity behind a verified certificate: its key and the URI names of subjectAltName (RFC 5280 §4.2.1.6). */
export function peerCertificate(certificate: X509Certificate): NonNullable<Peer['certificate']> {
  return {
    publicKey: spkiOf(certificate.publicKey),
    uris: uriNames(certificate.subjectAltName ?? ''),
    subject: certificate.subject.replaceAll('\n', ', '),
    serial: certificate.serialNumber,
  };
}

/** SPKI of Ed25519 is this and the key's 32 bytes (RFC 8410 §4). */
export const ED25519_SPKI = Uint8Array.of(
  ...[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00],
);

/** The DER of a key's SPKI. OpenSSL's own way to it takes 80 µs, a tenth of a whole handshake; an Ed25519 key needs none of it. */
function spkiOf(key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType !== 'ed25519') return new Uint8Array(key.export({ type: 'spki', format: 'der' }));
  const raw = Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
  return Uint8Array.of(...ED25519_SPKI, ...raw);
}

/** `kind:value`, where a value that holds a comma, a quote or a control character is a JSON string. */
const NAME = /([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^",\\\p{Cc}]*)(?:, |$)/uy;

/**
 * The URI names out of node's text form of subjectAltName; none at all when any of it is not as node writes it, since one name
 * must never be able to pass for two (CVE-2021-44532).
 */
export function uriNames(text: string): string[] {
  const uris: string[] = [];
  NAME.lastIndex = 0;
  while (NAME.lastIndex < text.length) {
    const match = NAME.exec(text);
    if (match === null) return [];
    if (match[1] !== 'URI') continue;
    const uri = unquote(match[2]!);
    if (uri === undefined) return [];
    uris.push(uri);
  }
  return uris;
}

function unquote(value: string): string | undefined {
  if (!value.startsWith('"')) return value;
  try {
    const text: unknown = JSON.parse(value);
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}
