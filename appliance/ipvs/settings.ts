/** The kernel settings that IPVS needs, beside those of any forwarding. Set when the driver starts, put back at release(). */
import {
  applySysctls,
  type Before,
  earliest,
  readNote,
  restoreSysctls,
  type Sysctl,
} from '../dataplane/sysctl.ts';
import type { Files } from '../host/ports.ts';

const SETTINGS: readonly (readonly [string, string])[] = [
  // A destination that is taken out ends its connections; without it they would hang for as long as they last.
  ['net/ipv4/vs/expire_nodest_conn', '1'],
  // What is remembered of a client does not lead it to a server that drains.
  ['net/ipv4/vs/expire_quiescent_template', '1'],
  // A client's port that comes again while its last connection is being forgotten may go to another server.
  ['net/ipv4/vs/conn_reuse_mode', '1'],
  // A flow that nobody here remembers, one that roamed here with its server, is joined in the middle; a server whose it is not resets it.
  ['net/ipv4/vs/sloppy_tcp', '1'],
  // A VIP is delivered to this host, but it is the responder that tells where it is: the kernel answers for its links' own addresses only,
  ['net/ipv4/conf/all/arp_ignore', '1'],
  // and does not ask others in the name of a VIP.
  ['net/ipv4/conf/all/arp_announce', '2'],
];

/** Text that outlives the daemon, so that what stood there before can be put back after a crash too. */
export interface Memory {
  /** '' when there is none. */
  read(): string;
  write(text: string): void;
}

/** A file; none when there is nothing to remember. */
export const fileMemory = (files: Pick<Files, 'read' | 'write' | 'remove'>, path: string): Memory => ({
  read: () => files.read(path) ?? '',
  write: text => (text === '' ? files.remove(path) : files.write(path, text)),
});

/** Sets them, and remembers what stood there; gives what could not be set, in sentences. */
export function applySettings(sysctl: Sysctl, memory: Memory): readonly string[] {
  const forwarding = applySysctls(sysctl);
  const before = [...forwarding.before];
  const problems = [...forwarding.problems];
  for (const [name, value] of SETTINGS) {
    const old = sysctl.read(name);
    if (old === value) continue;
    const problem = old === undefined ? `there is no /proc/sys/${name}` : sysctl.write(name, value);
    if (problem === undefined && old !== undefined) before.push([name, old]);
    else if (problem !== undefined) problems.push(problem);
  }
  if (before.length > 0) memory.write(textOf(earliest(recall(memory), before)));
  return problems;
}

/** Puts back what stood there. */
export function restoreSettings(sysctl: Sysctl, memory: Memory): void {
  restoreSysctls(sysctl, recall(memory));
  memory.write('');
}

/** One a line, `name=value`; what is none says nothing. */
const recall = (memory: Memory): Before => memory.read().split('\n').flatMap(readNote);
const textOf = (before: Before): string => before.map(([name, value]) => `${name}=${value}\n`).join('');
