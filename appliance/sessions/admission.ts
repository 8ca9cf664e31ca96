/**
 * Who may open a session at all: so many in all, so many from one address, and only with the right role.
 */
import type { RefusalCode } from '../../sdk/wire/messages.ts';
import type { Peer } from '../host/ports.ts';
import { credentialsOf } from '../pki/claims.ts';
import { canonicalSerial } from '../pki/crl.ts';
import type { SessionLimits } from './limits.ts';

export interface Refusal {
  readonly code: RefusalCode;
  readonly sentence: string;
}

/** Refused connections that may still be told why; those beyond are dropped without a word. */
const TOLD = 256;
const TOLD_PER_ADDRESS = 16;

/** Counts connections from their acceptance until their socket is closed. */
export class Admission {
  private readonly limits: Pick<SessionLimits, 'sessions' | 'perAddress'>;
  private readonly open = new Map<string, number>();
  private total = 0;

  constructor(limits: Pick<SessionLimits, 'sessions' | 'perAddress'>) {
    this.limits = limits;
  }

  add(address: string): void {
    this.total++;
    this.open.set(address, (this.open.get(address) ?? 0) + 1);
  }

  remove(address: string): void {
    this.total--;
    const left = (this.open.get(address) ?? 1) - 1;
    if (left > 0) this.open.set(address, left);
    else this.open.delete(address);
  }

  /** Why one more from this address is not admitted; undefined when it is. */
  refuse(address: string): Refusal | undefined {
    const { sessions, perAddress } = this.limits;
    if (this.total >= sessions)
      return { code: 'limit', sentence: `this manager has ${sessions} sessions, the most that it may` };
    if ((this.open.get(address) ?? 0) >= perAddress)
      return {
        code: 'limit',
        sentence: `there are ${perAddress} sessions from ${address}, the most that one address may have`,
      };
    return undefined;
  }

  /** Whether so many were refused and are still open that the next is not even told. */
  overrun(address: string): boolean {
    const { sessions, perAddress } = this.limits;
    return this.total >= sessions + TOLD || (this.open.get(address) ?? 0) >= perAddress + TOLD_PER_ADDRESS;
  }
}

/** Why a certificate is not one to register with; `revoked` holds canonical serial numbers. */
export function refuseCertificate({ certificate }: Peer, revoked: ReadonlySet<string>): Refusal | undefined {
  if (certificate === undefined) return undefined;
  if (revoked.has(canonicalSerial(certificate.serial))) return refuseRevoked(certificate);
  if (credentialsOf(certificate.uris).roles.includes('server')) return undefined;
  const mend = "issue one with 'bivouac pki issue --role server'";
  return {
    code: 'not-permitted',
    sentence: `the certificate of ${certificate.subject} has not the role 'server': ${mend}`,
  };
}

/** What the holder of a revoked certificate is told. */
export const refuseRevoked = ({
  subject,
  serial,
}: Pick<NonNullable<Peer['certificate']>, 'subject' | 'serial'>): Refusal => ({
  code: 'not-permitted',
  sentence: `the certificate of ${subject} (serial number ${serial}) was revoked: ask the mission's authority for another`,
});
