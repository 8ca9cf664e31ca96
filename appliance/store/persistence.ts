/**
 * Writes leases and registrations down as they change, and reads them back at the start. Each document holds one part of a table, so
 * that one change writes one small file however many servers there are.
 */
import type { Clock, Log, Store, Timer } from '../host/ports.ts';
import type { LeaseRecord, ServerRecord, State } from '../registry/state.ts';
import type { Table } from '../registry/table.ts';
import { leaseDocument, readLeases, readServers, serverDocument, storedAlike } from './documents.ts';

const DOCUMENTS = 32;
/** How long changes are gathered before they are written. */
const GATHER = 100;

export interface Persistence {
  /** What was stored before the start. */
  load(): { readonly leases: readonly LeaseRecord[]; readonly servers: readonly ServerRecord[] };
  /** Takes note of the newest state; it is written within a fraction of a second. */
  note(state: State): void;
  /** Writes what is not written yet. */
  flush(): void;
}

export function createPersistence(store: Store, clock: Clock, log: Log, initial: State): Persistence {
  let written = initial;
  let latest = initial;
  let timer: Timer | undefined;

  const write = (name: string, document: object): void => {
    try {
      store.write(name, document);
    } catch (error) {
      log('error', 'state-not-stored', {
        document: name,
        why: error instanceof Error ? error.message : String(error),
      });
    }
  };

  const flush = (): void => {
    timer?.cancel();
    timer = undefined;
    for (const index of changedDocuments(written.leases, latest.leases, (one, other) => one === other)) {
      write(
        name('leases', index),
        leaseDocument(documentOf(latest.leases, index).flatMap(holders => [...holders.values()])),
      );
    }
    for (const index of changedDocuments(written.servers, latest.servers, storedAlike)) {
      write(name('servers', index), serverDocument(documentOf(latest.servers, index)));
    }
    written = latest;
  };

  const read = <T>(kind: string, decode: (document: unknown) => T[]): T[] =>
    Array.from({ length: DOCUMENTS }, (_, index) => store.read(name(kind, index), decode) ?? []).flat();

  return {
    load: () => ({ leases: read('leases', readLeases), servers: read('servers', readServers) }),
    note(state) {
      if (state.leases === latest.leases && state.servers === latest.servers) return;
      latest = state;
      timer ??= clock.after('store', GATHER, flush);
    },
    flush,
  };
}

const name = (kind: string, index: number): string => `${kind}-${index.toString().padStart(2, '0')}`;

/** Which documents hold something that differs. */
function changedDocuments<K extends string, V>(
  before: Table<K, V>,
  after: Table<K, V>,
  alike: (one: V, other: V) => boolean,
): number[] {
  const old = before.parts();
  const changed = new Set<number>();
  for (const [shard, map] of after.parts().entries()) {
    if (map === old[shard]) continue;
    const document = Math.floor((shard * DOCUMENTS) / old.length);
    if (changed.has(document)) continue;
    const same =
      map.size === old[shard]!.size &&
      [...map].every(([key, value]) => alike(value, old[shard]!.get(key) ?? value) && old[shard]!.has(key));
    if (!same) changed.add(document);
  }
  return [...changed];
}

function documentOf<K extends string, V>(table: Table<K, V>, document: number): V[] {
  const parts = table.parts();
  const size = parts.length / DOCUMENTS;
  return parts.slice(document * size, (document + 1) * size).flatMap(shard => [...shard.values()]);
}
