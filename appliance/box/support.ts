/**
 * What a support file holds: each section is what a program said, a file, or what the manager shows. Pure.
 */
import { VIEWS } from '../operator/views.ts';

export type Section = { readonly name: string } & (
  | { readonly run: readonly [string, ...string[]] }
  | { readonly file: string }
  /** A view of the manager's. */
  | { readonly show: string }
);

/** Bytes of one section, and of all; what is over is cut, and said to be. */
export const SECTION_LIMIT = 1024 * 1024;
export const TOTAL_LIMIT = 16 * 1024 * 1024;
/** ms that one section may take. */
export const PATIENCE = 10_000;

const run = (name: string, command: string): Section => ({
  name: `${name}.txt`,
  run: command.split(' ') as [string, ...string[]],
});
const file = (path: string): Section => ({ name: `${path.slice(1).replaceAll('/', '_')}.txt`, file: path });
const frr = (name: string, command: string): Section => ({
  name: `frr-${name}.txt`,
  run: ['vtysh', '-c', command],
});

/** All sections, the most telling first. `config`: the file that the manager runs by. Views that ask about one name are left out. */
export const sections = (config: string): readonly Section[] => [
  { name: 'config.json', file: config },
  ...Object.keys(VIEWS)
    .filter(view => view !== 'explain')
    .map(view => ({ name: `show-${view}.json`, show: view })),
  run('slots', 'bivouac box status'),
  ...['/run/bivouac/report.json', '/run/bivouac/screen', '/run/bivouac-state', '/usr/lib/os-release'].map(
    file,
  ),
  ...[
    '/proc/cmdline',
    '/proc/cpuinfo',
    '/proc/meminfo',
    '/proc/interrupts',
    '/proc/net/softnet_stat',
    '/proc/net/snmp',
  ].map(file),
  run('journal', 'journalctl --no-pager -b -n 5000 -o short-precise'),
  run('journal-before', 'journalctl --no-pager -b -1 -n 2000 -o short-precise'),
  run('kernel', 'dmesg'),
  run('units', 'systemctl --no-pager list-units --all'),
  run('unit-status', 'systemctl --no-pager --full status bivouac.service frr.service'),
  run('boot-times', 'systemd-analyze --no-pager blame'),
  run('nftables', 'nft -s list ruleset'),
  run('conntrack', 'conntrack -L'),
  run('conntrack-counters', 'conntrack -S'),
  run('ipvs', 'ipvsadm -Ln --stats'),
  run('ipvs-connections', 'ipvsadm -Lcn'),
  run('links', 'ip -d -s link'),
  run('addresses', 'ip address'),
  run('routes', 'ip route show table all'),
  run('routes6', 'ip -6 route show table all'),
  run('rules', 'ip rule'),
  run('neighbours', 'ip neigh'),
  run('sockets', 'ss -anp'),
  run('network', 'networkctl --no-pager status --all'),
  run('sysctl', 'sysctl -a'),
  frr('config', 'show running-config'),
  frr('ospf', 'show ip ospf'),
  frr('neighbours', 'show ip ospf neighbor detail'),
  frr('database', 'show ip ospf database'),
  frr('routes', 'show ip route'),
  frr('bfd', 'show bfd peers'),
  run('processes', 'ps axww -o pid,ppid,user,stat,rss,vsz,pcpu,etime,args'),
  run('modules', 'lsmod'),
  run('mounts', 'findmnt'),
  run('space', 'df -h'),
  run('kernel-version', 'uname -a'),
  run('programs', 'bivouac --help'),
];

/** One section's text as it goes into the file: redacted, then cut, so that no secret is cut in two and missed. */
export function finish(text: string, redact: (text: string) => string, room: number): string {
  const whole = redact(text);
  const limit = Math.min(SECTION_LIMIT, room);
  if (whole.length <= limit) return whole;
  return `${whole.slice(0, Math.max(0, limit))}\n[cut: ${whole.length} characters]\n`;
}
