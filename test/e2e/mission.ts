/** A mission's certificates in a directory of their own, made as an operator makes them. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createExec } from '../../appliance/host/exec.ts';
import { createFiles } from '../../appliance/host/files.ts';
import type { TlsIdentity } from '../../appliance/host/ports.ts';
import { createRandom } from '../../appliance/host/random.ts';
import { initAuthority, issueCertificate } from '../../appliance/pki/authority.ts';
import type { Role } from '../../appliance/pki/claims.ts';

export interface Mission {
  readonly directory: string;
  /** A certificate of this mission that claims everything, and its key. */
  issue(name: string, role: Role, notAfter?: string, notBefore?: string): Promise<TlsIdentity>;
  /** One that the holder of another certificate issued, as if it were an authority. */
  issueFrom(issuer: string, name: string, role: Role): Promise<TlsIdentity>;
  remove(): void;
}

export async function createMission(mission: string): Promise<Mission> {
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-mission-'));
  const deps = { exec: createExec(), files: createFiles(), random: createRandom() };
  await initAuthority(deps, { directory, mission, force: false });
  const issueIn = async (
    at: string,
    name: string,
    role: Role,
    notAfter?: string,
    notBefore?: string,
  ): Promise<TlsIdentity> => {
    const any = ['*'];
    await issueCertificate(deps, {
      ...{ directory: at, mission, name, roles: [role], names: any, vips: any, ports: any, force: false },
      ...(notAfter === undefined ? {} : { notAfter }),
      ...(notBefore === undefined ? {} : { notBefore }),
    });
    const text = (file: string): string => readFileSync(join(at, file), 'utf8');
    return { ca: text('ca.pem'), certificate: text(`${name}.pem`), key: text(`${name}.key`) };
  };
  return {
    directory,
    issue: (name, role, notAfter, notBefore) => issueIn(directory, name, role, notAfter, notBefore),
    issueFrom(issuer, name, role) {
      const at = mkdtempSync(join(directory, 'forged-'));
      copyFileSync(join(directory, `${issuer}.pem`), join(at, 'ca.pem'));
      copyFileSync(join(directory, `${issuer}.key`), join(at, 'ca.key'));
      return issueIn(at, name, role);
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
}
