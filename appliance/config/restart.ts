/**
 * What a running manager can take over of a changed configuration, and what waits for its next start.
 */
import type { Config } from './config.ts';

/** Keys that are read once, at the start: sockets are bound, links opened, drivers made with them. */
const FIXED = [
  ...[
    'name',
    'alone',
    'state',
    'listen',
    'plain',
    'access',
    'health',
    'dataplane',
    'anycast',
    'notices',
    'operator',
    'links',
  ],
  ...[
    'gslb.zones',
    'gslb.nameServers',
    'gslb.aliases',
    'gslb.texts',
    'gslb.addresses',
    'gslb.port',
    'gslb.workers',
    'gslb.poll',
    'gslb.site',
  ],
  ...['gslb.transfers', 'gslb.transferKeys', 'gslb.notify', 'gslb.rate'],
  ...['roaming.dhcp', 'routing.driver', 'routing.kind', 'sessions.servers', 'sessions.perAddress'],
];

/** The configuration to go on with: `next`, but for what needs a restart (named) as it is in `running`. */
export function takeOver(
  running: Config,
  next: Config,
): { readonly config: Config; readonly needRestart: readonly string[] } {
  const config = structuredClone(next);
  const needRestart: string[] = [];
  // Files may hold new certificates under the old names; but with TLS a manager stays, and without.
  const fixed = (running.tls === undefined) === (next.tls === undefined) ? FIXED : [...FIXED, 'tls'];
  for (const path of fixed) {
    const [key = '', inner] = path.split('.');
    const group = (whole: Config): Group =>
      (inner === undefined ? whole : (whole[key as keyof Config] ?? {})) as unknown as Group;
    const [from, to] = [group(running), group(config)];
    const name = inner ?? key;
    if (stable(from[name]) === stable(to[name])) continue;
    needRestart.push(path);
    to[name] = from[name];
  }
  return { config, needRestart };
}

type Group = Record<string, unknown>;

/** Pools are bigint, which JSON has not. */
const stable = (value: unknown): string | undefined =>
  JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
