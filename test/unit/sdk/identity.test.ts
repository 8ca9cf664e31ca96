import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { certifiedIdentity } from '../../../sdk/server/identity.ts';

/** A key and a certificate of it, in one text. */
const pair = (name: string): string =>
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', `/CN=${name}`, '-keyout', '-', '-out', '-'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
const split = (text: string) => ({
  key: text.slice(0, text.indexOf('-----BEGIN CERTIFICATE')),
  certificate: text.slice(text.indexOf('-----BEGIN CERTIFICATE')),
});

test('the identity is of the key that the certificate is for; whatever does not fit is said before the network is touched', () => {
  const [one, other] = [split(pair('one')), split(pair('other'))];
  const ca = other.certificate;
  expect(certifiedIdentity({ ...one, ca })).toMatch(/^[0-9a-f]{64}$/);
  expect(() => certifiedIdentity({ ...one, key: other.key, ca })).toThrow(/tls\.key.*CN=one/);
  expect(() => certifiedIdentity({ ...one, key: 'none', ca })).toThrow(/tls\.key/);
  expect(() => certifiedIdentity({ ...one, ca: 'none' })).toThrow(/tls\.ca/);
  expect(() => certifiedIdentity({ ...one, certificate: 'none', ca })).toThrow(/tls\.certificate/);
});
