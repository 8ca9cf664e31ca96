/**
 * A certificate as `bivouac pki show` prints it.
 */
import type { ServerId } from '../../sdk/wire/model.ts';
import type { CertificateFacts } from '../host/ports.ts';
import { type Credentials, credentialsOf } from './claims.ts';

/** The JSON of `pki show --json`: stable names. */
export interface ShownCertificate extends Credentials {
  readonly kind: 'authority' | 'node';
  readonly mission: string;
  readonly name: string;
  readonly issuer: string;
  readonly serial: string;
  readonly notBefore: string;
  /** null = no end. */
  readonly notAfter: string | null;
  readonly fingerprint: string;
  /** ServerId or ManagerId. */
  readonly id: ServerId;
  readonly key: string;
}

export function shown(view: CertificateFacts): ShownCertificate {
  return {
    kind: view.authority ? 'authority' : 'node',
    mission: view.organization,
    name: view.commonName,
    ...credentialsOf(view.uris),
    issuer: view.issuer,
    serial: view.serial,
    notBefore: view.notBefore.toISOString(),
    notAfter: view.notAfter.getUTCFullYear() === 9999 ? null : view.notAfter.toISOString(),
    fingerprint: view.fingerprint,
    id: view.id,
    key: view.keyType,
  };
}

/** Renders it for people, `key  value` a line. */
export function renderCertificate(view: CertificateFacts): string {
  const facts = shown(view);
  const limits: readonly (readonly [string, string])[] = view.authority
    ? []
    : [
        ['roles', facts.roles.join(', ') || 'none: it is accepted nowhere'],
        ['names', limit(facts.names)],
        ['vips', limit(facts.vips)],
        ['ports', limit(facts.ports)],
        ...facts.ignored.map(uri => ['ignored', `${uri} (not understood, permits nothing)`] as const),
      ];
  const lines: readonly (readonly [string, string])[] = [
    [facts.kind, facts.name],
    ['mission', facts.mission],
    ...limits,
    [
      'valid',
      `from ${facts.notBefore.slice(0, 10)} ${facts.notAfter === null ? 'without end' : `to ${facts.notAfter}`}`,
    ],
    ['key', facts.key],
    ['identity', facts.id],
    ['fingerprint', facts.fingerprint],
    ['serial', facts.serial],
    ['issuer', facts.issuer],
  ];
  return lines.map(([key, value]) => `${key.padEnd(12)}${value}\n`).join('');
}

const limit = (values: readonly string[]): string =>
  values.length === 0 ? 'none may be claimed' : values.includes('*') ? 'any' : values.join(' ');
