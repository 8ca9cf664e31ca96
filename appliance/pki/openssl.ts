/**
 * The configuration that `openssl req` and `openssl ca` are given (config(5ssl), ca(1ssl)), as text.
 */
import type { Role } from './claims.ts';

/**
 * Valid from the epoch on: a node without a battery-backed clock wakes up in 1970 and must still register. Who is to be shut out is
 * shut out by what its certificate permits, not by clocks that nobody sets.
 */
export const NOT_BEFORE = '19700101000000Z';
/** RFC 5280 §4.1.2.5: no well-defined end. */
export const NO_END = '99991231235959Z';

/** An instant as openssl wants it: GeneralizedTime, YYYYMMDDHHMMSSZ. */
export const generalizedTime = (instant: Date): string =>
  `${instant.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;

export interface ConfigInput {
  readonly mission: string;
  /** Common name of the subject. */
  readonly name: string;
  /** Where `openssl ca` keeps copies of what it issued. */
  readonly issued: string;
  /** Its database; a fresh one for each certificate, so that several can be issued at once. */
  readonly database: string;
  readonly roles: readonly Role[];
  readonly uris: readonly string[];
}

/** What may stand in a configuration as it is: nothing that openssl would expand, quote or take for a comment. */
const PLAIN = /^[A-Za-z0-9 ._/+@:,=~*-]*$/;

/** Renders it. Throws when a value holds what openssl would not take literally. */
export function renderConfig(input: ConfigInput): string {
  for (const value of [input.mission, input.name, input.issued, input.database, ...input.uris]) {
    if (!PLAIN.test(value)) {
      throw new Error(`'${value}' holds a character that openssl reads as more than itself: choose another`);
    }
  }
  return `[req]
distinguished_name = subject
prompt = no

[subject]
O = ${input.mission}
CN = ${input.name}

[ca]
default_ca = authority

[authority]
database = ${input.database}
new_certs_dir = ${input.issued}
rand_serial = yes
unique_subject = no
default_md = default
policy = supplied

[supplied]
O = supplied
CN = supplied

[root]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash

[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = ${usages(input.roles)}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
${input.uris.length > 0 ? 'subjectAltName = @names\n' : ''}
[names]
${input.uris.map((uri, index) => `URI.${index + 1} = ${uri}\n`).join('')}`;
}

/** Only who is connected to may pass for a TLS server, so that no server can play the manager to another. */
const usages = (roles: readonly Role[]): string =>
  roles.includes('manager') || roles.includes('gslb') ? 'serverAuth, clientAuth' : 'clientAuth';
