/**
 * Keeps what was changed in FRR over a restart of the manager, in a file that nobody else may read: a line may hold an OSPF key.
 */
import type { Files } from '../host/ports.ts';
import type { Change } from './changes.ts';
import type { DaemonName } from './ospf.ts';

/** What was changed in each daemon. */
export interface ChangeMemory {
  of(daemon: DaemonName): readonly Change[];
  put(daemon: DaemonName, changes: readonly Change[]): void;
  /** Daemons in which something was changed. */
  daemons(): readonly DaemonName[];
}

const PRIVATE = 0o600;

/** Without a file it lasts as long as the process. */
export function createChangeMemory(files?: Files, path = ''): ChangeMemory {
  const all = new Map<DaemonName, readonly Change[]>(
    Object.entries(readChanges(files?.read(path))) as [DaemonName, readonly Change[]][],
  );
  return {
    of: daemon => all.get(daemon) ?? [],
    put(daemon, changes) {
      if (JSON.stringify(all.get(daemon) ?? []) === JSON.stringify(changes)) return;
      if (changes.length === 0) all.delete(daemon);
      else all.set(daemon, changes);
      if (all.size === 0) files?.remove(path);
      else files?.write(path, `${JSON.stringify(Object.fromEntries(all), null, 1)}\n`, PRIVATE);
    },
    daemons: () => [...all.keys()],
  };
}

/** A file that is none of ours says nothing: then what was changed stays until FRR restarts. */
function readChanges(text: string | undefined): Readonly<Record<string, readonly Change[]>> {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '{}');
  } catch {
    return {};
  }
  const isText = (one: unknown): one is string => typeof one === 'string';
  const isChange = (one: unknown): one is Change => {
    const { path, ours, before = '' } = (one ?? {}) as Partial<Change>;
    return Array.isArray(path) && path.every(isText) && isText(ours) && isText(before);
  };
  const entries = Object.entries((value ?? {}) as object).filter(([, list]) => Array.isArray(list));
  return Object.fromEntries(entries.map(([name, list]) => [name, (list as unknown[]).filter(isChange)]));
}
