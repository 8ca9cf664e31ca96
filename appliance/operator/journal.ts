/**
 * The last decisions, for `bivouac show events`, and how often each was taken, for the metrics.
 */
import type { Clock, Millis } from '../host/ports.ts';
import type { Decision } from '../registry/decision.ts';

const KEPT = 1000;

export interface Entry {
  /** From 1, in the order of time, anew with each start of the manager. */
  readonly number: number;
  /** Wall-clock, ISO 8601, for people. */
  readonly at: string;
  readonly time: Millis;
  readonly decision: Decision;
}

export interface Journal {
  note(decision: Decision): void;
  /** Oldest first. */
  entries(): readonly Entry[];
  /** `kind reason` → how often. */
  readonly counts: ReadonlyMap<string, number>;
}

export function createJournal(clock: Clock): Journal {
  const ring: Entry[] = [];
  /** By kind, then by code: in a crowd no text is put together for each of thousands a second. */
  const counts = new Map<string, Map<string, number>>();
  let oldest = 0;
  let number = 0;
  return {
    note(decision) {
      const entry = { number: ++number, at: clock.wall(), time: clock.now(), decision };
      if (ring.length < KEPT) ring.push(entry);
      else ring[oldest++ % KEPT] = entry;
      const { code } = decision.reason;
      const codes = counts.get(decision.kind) ?? new Map<string, number>();
      counts.set(decision.kind, codes.set(code, (codes.get(code) ?? 0) + 1));
    },
    entries: () => [...ring.slice(oldest % KEPT), ...ring.slice(0, oldest % KEPT)],
    get counts() {
      const all = new Map<string, number>();
      for (const [kind, codes] of counts)
        for (const [code, count] of codes) all.set(`${kind} ${code}`, count);
      return all;
    },
  };
}
