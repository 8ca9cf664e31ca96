/** A mission's authority and certificates, for benchmarks. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createExec } from '../../../appliance/host/exec.ts';
import { createFiles } from '../../../appliance/host/files.ts';
import { createRandom } from '../../../appliance/host/random.ts';
import { initAuthority, issueCertificate } from '../../../appliance/pki/authority.ts';
import type { Role } from '../../../appliance/pki/claims.ts';
import { ANY } from '../../../appliance/registry/permits.ts';

/** Paths of files in PEM, as `tls` of a configuration has them. */
export interface Identity {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export interface MissionFiles {
  /** Makes a certificate; a server's permits everything. */
  issue(name: string, role: Role): Promise<Identity>;
}

/** Makes an authority in `directory`. */
export async function makeMission(directory: string): Promise<MissionFiles> {
  const deps = { exec: createExec(), files: createFiles(), random: createRandom() };
  mkdirSync(directory, { recursive: true });
  const authority = join(directory, 'authority');
  const { certificate: made } = await initAuthority(deps, {
    ...{ directory: authority, mission: 'bench', force: false },
  });
  const ca = join(directory, 'ca.pem');
  copyFileSync(made, ca);
  return {
    async issue(name, role) {
      const any = role === 'server' ? [ANY] : [];
      const pair = await issueCertificate(deps, {
        ...{ directory: authority, mission: 'bench', name, force: false, roles: [role] },
        ...{ names: any, vips: any, ports: any },
      });
      return { ca, ...pair };
    },
  };
}
