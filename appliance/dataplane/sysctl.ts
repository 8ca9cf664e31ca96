/**
 * The kernel settings that forwarding needs, and the traps among them. Set when the driver starts, and put back at release().
 */

import { hash32 } from './mark.ts';

export interface Sysctl {
  /** The value, or undefined when there is no such setting. */
  read(name: string): string | undefined;
  /** Sets it; gives the reason when it cannot. */
  write(name: string, value: string): string | undefined;
  list(directory: string): readonly string[];
}

const ALWAYS: readonly (readonly [string, string])[] = [
  ['net/ipv4/ip_forward', '1'],
  ['net/ipv6/conf/all/forwarding', '1'],
  // A flow that the daemon finds half-way (a peer's, by anycast) is taken up rather than dropped as invalid.
  ['net/netfilter/nf_conntrack_tcp_loose', '1'],
];

/**
 * For each interface, those to come included. The kernel takes the stricter of `all` and the interface for rp_filter, so each must be
 * opened: replies of `direct` servers that use this host as their gateway come from the VIP, which may be an address of this host
 * (accept_local), by an interface that is not the way to it. A redirect would send a client past the balancer to one server.
 */
const INTERFACES: readonly (readonly [string, string])[] = [
  ['rp_filter', '0'],
  ['accept_local', '1'],
  ['send_redirects', '0'],
];

/** What was set, and what stood there before. */
export type Before = readonly (readonly [name: string, value: string])[];

/** Sets what forwarding needs; gives what to put back, and what could not be set, in sentences. */
export function applySysctls(sysctl: Sysctl): {
  readonly before: Before;
  readonly problems: readonly string[];
} {
  const interfaces = sysctl.list('net/ipv4/conf');
  const wanted = [
    ...ALWAYS,
    ...interfaces.flatMap(name =>
      INTERFACES.map(([setting, value]) => [`net/ipv4/conf/${name}/${setting}`, value] as const),
    ),
  ];
  const before: [string, string][] = [];
  const problems: string[] = [];
  for (const [name, value] of wanted) {
    const old = sysctl.read(name);
    if (old === undefined || old === value) continue;
    const problem = sysctl.write(name, value);
    if (problem === undefined) before.push([name, old]);
    else problems.push(problem);
  }
  return { before, problems };
}

/** Each setting with its oldest value: the lists go from older to newer. */
export function earliest(...lists: readonly Before[]): Before {
  const byName = new Map<string, Before[number]>();
  for (const entry of lists.flat()) if (!byName.has(entry[0])) byName.set(entry[0], entry);
  return [...byName.values()];
}

/** Puts back what applySysctls found. */
export function restoreSysctls(sysctl: Sysctl, before: Before): void {
  for (const [name, value] of [...before].reverse()) sysctl.write(name, value);
}

/** Elements of the set `sysctls` that remember what was there, for a daemon that comes after a crash of this one. */
export function noteBefore(before: Before): readonly string[] {
  return before
    .filter(([name, value]) => /^[\w./:@-]{1,90}$/.test(name) && /^\d{1,9}$/.test(value))
    .map(([name, value]) => `sysctls ${hash32(name)} comment "${name}=${value}"`);
}

/** What a comment of noteBefore remembers; nothing for any other. */
export function readNote(comment: string): Before {
  const [name, value, ...rest] = comment.split('=');
  return name?.startsWith('net/') && !name.includes('..') && value && rest.length === 0
    ? [[name, value]]
    : [];
}
