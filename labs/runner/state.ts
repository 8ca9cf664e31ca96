/**
 * What a lab leaves on the host while it runs: a directory under /run with its state, its nodes' logs and an empty mount point.
 * Whoever opens a lab from another process reads it; whoever cleans up after a killed one finds it there.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const ROOT = '/run/bivouac-lab';

export interface LabState {
  readonly id: string;
  /** The topology's file, absolute. */
  readonly file: string;
  /** The process whose end ends the lab; absent for a lab that stays until it is taken down. */
  readonly owner?: ProcessId;
  readonly nodes: Readonly<Record<string, NodeState>>;
}

export interface NodeState {
  /** The node's process 1, as the host counts. */
  readonly pid: number;
  readonly env: Readonly<Record<string, string>>;
}

/** A process that cannot be mistaken for a later one with the same number: `started` in clock ticks since boot. */
export interface ProcessId {
  readonly pid: number;
  readonly started: string;
}

/** Identifies a running process; undefined when there is none. */
export function processId(pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command in brackets may hold anything; the fields are counted from its end (proc(5): state is 3, starttime 22).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : { pid, started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

/** A lab whose owner is gone. */
export function isStale(state: LabState): boolean {
  return state.owner !== undefined && processId(state.owner.pid)?.started !== state.owner.started;
}

export const directory = (id: string): string => join(ROOT, id);

/** Makes the directory of a new lab with its first state, in one step. Throws when there is one of that name. */
export function claim(state: LabState): void {
  mkdirSync(ROOT, { recursive: true, mode: 0o755 });
  const made = mkdtempSync(join(ROOT, '.new-'));
  mkdirSync(join(made, 'root'));
  writeFileSync(join(made, 'state.json'), JSON.stringify(state));
  try {
    renameSync(made, directory(state.id));
  } catch (error) {
    rmSync(made, { recursive: true });
    if (!['EEXIST', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    throw new Error(
      `a lab named '${state.id}' is already there: take it down first (npm run lab -- down --lab ${state.id})`,
    );
  }
}

export function save(state: LabState): void {
  const path = join(directory(state.id), 'state.json');
  writeFileSync(`${path}.new`, JSON.stringify(state, null, 2));
  renameSync(`${path}.new`, path);
}

/** The state of a lab; undefined when there is none. */
export function load(id: string): LabState | undefined {
  try {
    return JSON.parse(readFileSync(join(directory(id), 'state.json'), 'utf8')) as LabState;
  } catch {
    return undefined;
  }
}

/** The names of all labs on this machine. */
export function list(): string[] {
  try {
    return readdirSync(ROOT);
  } catch {
    return [];
  }
}

/** Removes the directory of a lab, and the common one after the last. */
export function forget(id: string): void {
  rmSync(directory(id), { recursive: true, force: true });
  try {
    rmdirSync(ROOT);
  } catch {
    // Another lab lives there.
  }
}
