/**
 * The lab's mission authority and a certificate for each manager and server, in .lab/pki/NODE, where containerlab.yml binds them
 * from. Made once for a checkout: nothing secret is at stake, and the keys never leave the machine.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createExec } from '../appliance/host/exec.ts';
import { createFiles } from '../appliance/host/files.ts';
import { createRandom } from '../appliance/host/random.ts';
import { initAuthority, issueCertificate, pairPaths } from '../appliance/pki/authority.ts';
import type { Role } from '../appliance/pki/claims.ts';
import type { Node, Topology } from './topology/model.ts';

const MISSION = 'bivouac-lab';
/** All VIPs of the reference network. */
const VIPS = ['10.255.0.0/16', 'fd00:255::/64'];
/** What the certificates there are good for: they are made anew when a node's file asks for more. */
const CLAIMS = 'claims.json';

/** Groups of nodes that claim nothing but to be what they are. */
const ROLES: Readonly<Record<string, Role>> = { appliance: 'manager', gslb: 'gslb' };

/** What of an agent's file says what its server must be permitted. */
interface AgentFile {
  readonly services: readonly {
    readonly name: string;
    readonly transport?: string;
    readonly ports: number | string;
  }[];
}

/** Makes what is missing. Two that come at the same time end with one set. */
export async function ensurePki(root: string, topology: Topology): Promise<void> {
  const holders = [...topology.nodes.values()].filter(node =>
    ['appliance', 'gslb', 'server', 'mobile'].includes(node.group),
  );
  const goal = join(root, '.lab/pki');
  const claims = new Map(holders.map(node => [node.name, JSON.stringify(permits(node))]));
  const known = readClaims(join(goal, CLAIMS));
  if ([...claims].every(([name, claim]) => known[name] === claim)) return;
  mkdirSync(join(root, '.lab'), { recursive: true });
  const made = mkdtempSync(join(root, '.lab/pki-'));
  await makeAll(made, holders);
  writeFileSync(join(made, CLAIMS), JSON.stringify(Object.fromEntries(claims)));
  rmSync(goal, { recursive: true, force: true });
  try {
    renameSync(made, goal);
  } catch (error) {
    rmSync(made, { recursive: true });
    if (!existsSync(goal)) throw error;
  }
}

/** Node → what its certificate permits, as text. */
function readClaims(path: string): Readonly<Record<string, string>> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
  } catch {
    return {};
  }
}

async function makeAll(directory: string, holders: readonly Node[]): Promise<void> {
  const deps = { exec: createExec(), files: createFiles(), random: createRandom() };
  const authority = join(directory, 'authority');
  const { certificate } = await initAuthority(deps, { directory: authority, mission: MISSION, force: false });
  for (const node of holders) {
    const request = { directory: authority, mission: MISSION, name: node.name, force: false };
    const pair = await issueCertificate(deps, { ...request, ...permits(node) });
    const own = pairPaths(join(directory, node.name), node.name);
    mkdirSync(join(directory, node.name));
    copyFileSync(certificate, join(directory, node.name, 'ca.pem'));
    renameSync(pair.certificate, own.certificate);
    renameSync(pair.key, own.key);
  }
}

/** A server that is in no file, and what its certificate permits. */
export interface ServerRequest {
  readonly name: string;
  readonly services: readonly string[];
  /** `udp/7`. */
  readonly ports: readonly string[];
}

/** Certificates of the lab's authority, which must be there, for more servers; the files are put in `directory`. */
export async function issueServers(
  topology: Topology,
  directory: string,
  servers: readonly ServerRequest[],
): Promise<{ readonly ca: string; readonly certificate: string; readonly key: string }[]> {
  const deps = { exec: createExec(), files: createFiles(), random: createRandom() };
  const authority = join(directory, 'authority');
  cpSync(join(dirname(topology.file), '.lab/pki/authority'), authority, { recursive: true });
  const made = [];
  for (const { name, services, ports } of servers) {
    const request = { directory: authority, mission: MISSION, name, force: false };
    const claims = { roles: ['server'] as const, names: services, vips: VIPS, ports };
    made.push({
      ca: join(authority, 'ca.pem'),
      ...(await issueCertificate(deps, { ...request, ...claims })),
    });
  }
  return made;
}

/** A server may claim what its agent's files claim, and nothing else. */
function permits(node: Node): {
  readonly roles: readonly Role[];
  readonly names: readonly string[];
  readonly vips: readonly string[];
  readonly ports: readonly string[];
} {
  const role = ROLES[node.group];
  if (role) return { roles: [role], names: [], vips: [], ports: [] };
  const files = node.binds.filter(({ target }) => /^\/etc\/bivouac\/.*\.json$/.test(target));
  const services = files.flatMap(
    ({ source }) => (JSON.parse(readFileSync(source, 'utf8')) as AgentFile).services,
  );
  const unique = (values: readonly string[]): string[] => [...new Set(values)];
  return {
    roles: ['server'],
    names: unique(services.map(service => service.name)),
    vips: VIPS,
    ports: unique(services.map(({ transport = 'tcp', ports }) => `${transport}/${ports}`)),
  };
}
