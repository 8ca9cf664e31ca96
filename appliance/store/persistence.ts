/**
 * Writes leases and registrations, and whose VIPs are elsewhere, down as they change, and reads them back at the start. Each document holds one part of a table, so
 * that one change writes one small file however many servers there are.
 */
import type { Clock, Log, Store, Timer } from '../host/ports.ts';
import type { Kept } from '../registry/elsewhere.ts';
import type { KeptVip } from '../registry/events.ts';
import type { LeaseRecord, ServerRecord, State } from '../registry/state.ts';
import { entriesOf, type Shard, type Table } from '../registry/table.ts';
import {
  keptDocument,
  leaseDocument,
  readKept,
  readLeases,
  readServers,
  serverDocument,
  storedAlike,
} from './documents.ts';

const DOCUMENTS = 32;
/** How long changes are gathered before they are written: until no more have come for so long, but no longer than PATIENCE. */
const GATHER = 100;
const PATIENCE = 500;
/** Writing takes one part in this many of the daemon's time at the most: syncing to disk blocks everything else. */
const SHARE = 20;
/** So much of it, in ms, may come at once after a calm: a few changes are written without a wait. */
const BURST = 100;

export interface Persistence {
  /** What was stored before the start. */
  load(): {
    readonly leases: readonly LeaseRecord[];
    readonly servers: readonly ServerRecord[];
    readonly kept: readonly KeptVip[];
  };
  /** Takes note of the newest state; it is written within a fraction of a second, within seconds when thousands change. */
  note(state: State): void;
  /** Writes what is not written yet. */
  flush(): void;
}

export function createPersistence(store: Store, clock: Clock, log: Log, initial: State): Persistence {
  let looked = initial;
  let latest = initial;
  const unwritten = new Map<string, () => object>();
  let timer: Timer | undefined;
  /** When the last change came, and since when there is one that waits. */
  let notedAt = Number.NEGATIVE_INFINITY;
  let waitsSince: number | undefined;
  /** Milliseconds that writing may still take now; they come back with time. */
  let credit = BURST;
  let creditAt = clock.now();

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

  /** Takes what changed since the last look into the documents that are to be written, each as it is when its turn comes. */
  const look = (): void => {
    const waits = (kind: string) => (index: number) => unwritten.has(name(kind, index));
    for (const index of changedDocuments(looked.leases, latest.leases, same, waits('leases'))) {
      unwritten.set(name('leases', index), () =>
        leaseDocument(documentOf(latest.leases, index).flatMap(holders => [...holders.values()])),
      );
    }
    for (const index of changedDocuments(looked.servers, latest.servers, storedAlike, waits('servers'))) {
      unwritten.set(name('servers', index), () => serverDocument(documentOf(latest.servers, index)));
    }
    const [before, after] = [looked.elsewhere.kept, latest.elsewhere.kept];
    for (const index of changedDocuments(before, after, keptAlike, waits('kept'))) {
      unwritten.set(name('kept', index), () =>
        keptDocument(documentEntries(latest.elsewhere.kept, index).map(([vip, kept]) => ({ vip, ...kept }))),
      );
    }
    looked = latest;
  };

  const writeNext = (): void => {
    for (const [document, make] of unwritten) {
      unwritten.delete(document);
      write(document, make());
      return;
    }
  };

  /** One document a turn, so that others get theirs between two; then a wait until the time for the next has been earned. */
  const turn = (): void => {
    timer = undefined;
    const started = clock.now();
    waitsSince ??= started;
    // A crowd is busy: what syncing to disk would hold up now are its routes.
    const calm = Math.min(notedAt + GATHER, waitsSince + PATIENCE);
    if (started < calm) {
      timer = clock.after('store', calm - started, turn);
      return;
    }
    look();
    writeNext();
    const now = clock.now();
    credit = Math.min(BURST, credit + (started - creditAt) / SHARE) - (now - started);
    creditAt = now;
    if (unwritten.size === 0) waitsSince = undefined;
    else timer = clock.after('store', Math.max(0, -credit * SHARE), turn);
  };

  const read = <T>(kind: string, decode: (document: unknown) => T[]): T[] =>
    Array.from({ length: DOCUMENTS }, (_, index) => store.read(name(kind, index), decode) ?? []).flat();

  return {
    load: () => ({
      leases: read('leases', readLeases),
      servers: read('servers', readServers),
      kept: read('kept', readKept),
    }),
    note(state) {
      const isKept = state.elsewhere.kept === latest.elsewhere.kept;
      if (state.leases === latest.leases && state.servers === latest.servers && isKept) return;
      latest = state;
      notedAt = clock.now();
      waitsSince ??= notedAt;
      timer ??= clock.after('store', GATHER, turn);
    },
    flush() {
      timer?.cancel();
      timer = undefined;
      look();
      while (unwritten.size > 0) writeNext();
    },
  };
}

const name = (kind: string, index: number): string => `${kind}-${index.toString().padStart(2, '0')}`;

/** By when is not written down. */
const keptAlike = (one: Kept, other: Kept): boolean =>
  one.server === other.server && one.shared === other.shared;

const same = <T>(one: T, other: T): boolean => one === other;

/** Which documents hold something that differs, apart from those that are to be written anyway (`known`), which are not looked at. */
function changedDocuments<K extends string, V>(
  before: Table<K, V>,
  after: Table<K, V>,
  alike: (one: V, other: V) => boolean,
  known: (document: number) => boolean,
): ReadonlySet<number> {
  const changed = new Set<number>();
  if (before === after) return changed;
  const old = before.parts();
  for (const [shard, map] of after.parts().entries()) {
    if (map === old[shard]) continue;
    const document = Math.floor((shard * DOCUMENTS) / old.length);
    if (!changed.has(document) && !known(document) && !sameShard(old[shard]!, map, alike))
      changed.add(document);
  }
  return changed;
}

function sameShard<K extends string, V>(
  before: Shard<K, V>,
  after: Shard<K, V>,
  alike: (one: V, other: V) => boolean,
): boolean {
  if (before.length !== after.length) return false;
  const old = new Map(entriesOf(before));
  for (const [key, value] of entriesOf(after)) {
    const was = old.get(key);
    if (was === undefined || (was !== value && !alike(value, was))) return false;
  }
  return true;
}

function documentEntries<K extends string, V>(table: Table<K, V>, document: number): (readonly [K, V])[] {
  const parts = table.parts();
  const size = parts.length / DOCUMENTS;
  return parts.slice(document * size, (document + 1) * size).flatMap(shard => [...entriesOf(shard)]);
}

const documentOf = <K extends string, V>(table: Table<K, V>, document: number): V[] =>
  documentEntries(table, document).map(([, value]) => value);
