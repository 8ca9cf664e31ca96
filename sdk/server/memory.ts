/**
 * What a server keeps over restarts and moves: its leases, its epoch, and the certificates by which any manager of the mission can
 * verify the leases though their issuers are out of reach.
 */
import type { Lease, ManagerId } from '../wire/model.ts';
import type { Home } from './epoch.ts';
import { managerOf } from './identity.ts';

/** What is worth keeping over a restart of this process. */
export interface Memory {
  readonly epoch: number;
  readonly leases: readonly { readonly plan: string; readonly lease: Lease }[];
  /** Where the last registration was. */
  readonly manager: Home | undefined;
  /** Certificates (DER) of the managers that issued the leases, so far as they are known. */
  readonly issuers?: readonly Uint8Array[];
}

/** Certificates in one `register`, and bytes of each (docs/protocol.md, Limits). */
const MOST = 8;
const LONGEST = 2048;

export class Issuers {
  private readonly certificates = new Map<ManagerId, Uint8Array>();

  constructor(certificates: readonly Uint8Array[] = []) {
    for (const certificate of certificates) this.learn(certificate);
  }

  /** Keeps a manager's certificate, if it is one that can be passed on. Those that were learnt long ago are forgotten. */
  learn(certificate: Uint8Array): void {
    const id = certificate.length <= LONGEST ? managerOf(certificate) : undefined;
    if (id === undefined) return;
    this.certificates.delete(id);
    this.certificates.set(id, certificate);
    // Each manager makes leases its own when they come to it, so that old issuers have none left.
    for (const oldest of this.certificates.keys()) {
      if (this.certificates.size <= MOST) break;
      this.certificates.delete(oldest);
    }
  }

  /** Those of the issuers of these leases, at most 8; without that of the manager `but`, who knows its own. */
  of(leases: readonly Lease[], but?: ManagerId): Uint8Array[] {
    const issuers = new Set(leases.map(lease => lease.issuer));
    return [...this.certificates]
      .filter(([id]) => id !== but && issuers.has(id))
      .map(([, certificate]) => certificate)
      .slice(0, MOST);
  }
}
