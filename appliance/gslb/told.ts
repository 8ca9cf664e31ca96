/**
 * What was told of each name at each place, as far as it takes to see whether the same would be told now. So a change of the network drops
 * only the answers that it makes others.
 */
import type { Millis } from '../host/ports.ts';
import type { Wanted } from './candidates.ts';
import { type PlaceDecision, signatureOf } from './decide.ts';

/** Names at places that are remembered at most; when there are more, all are forgotten. */
const MOST = 1 << 18;

/** What was told of a name (some of its services, or all) to the clients at a place. */
export interface Told {
  /** '' is that of whom nobody knows where they are. */
  readonly place: string;
  readonly wanted: Wanted;
  readonly signature: number;
  /** Who is first for most of them, in short. */
  readonly first: string;
  /** Since something else is told than before; −Infinity: since it was asked for. */
  readonly since: Millis;
}

/** An answer that is another than before. */
export interface AnswerChange {
  readonly name: string;
  /** Of whose clients; undefined: of whom nobody knows where they are. */
  readonly place: string | undefined;
  /** In short: `10.9.0.1 at cell-a, 60 %`. */
  readonly from: string;
  readonly to: string;
  readonly reason: { readonly code: string; readonly sentence: string };
}

export class ToldAnswers {
  private readonly names = new Map<string, Map<string, Told>>();
  private size = 0;

  get count(): number {
    return this.size;
  }

  /** Remembers what is told now. `before`: what was told until now, if that is otherwise. `full`: all else was forgotten to make room. */
  note(
    place: string | undefined,
    wanted: Wanted,
    decision: PlaceDecision,
    now: Millis,
  ): { readonly told: Told; readonly before?: Told; readonly full?: true } {
    const { name } = decision;
    const key = keyOf(place, wanted);
    const signature = signatureOf(decision);
    const before = this.names.get(name)?.get(key);
    if (before?.signature === signature) return { told: before };
    const full = before === undefined && this.size >= MOST;
    if (full) this.forgetAll();
    let known = this.names.get(name);
    if (known === undefined) {
      known = new Map();
      this.names.set(name, known);
    }
    if (before === undefined) this.size++;
    const since = before === undefined ? Number.NEGATIVE_INFINITY : now;
    const told: Told = { place: place ?? '', wanted, signature, first: firstOf(decision), since };
    known.set(key, told);
    return { told, ...(before !== undefined && { before }), ...(full && { full }) };
  }

  /** All that was told of a name. */
  of(name: string): readonly Told[] {
    return [...(this.names.get(name)?.values() ?? [])];
  }

  keys(): IterableIterator<string> {
    return this.names.keys();
  }

  /** The name is no more. */
  forget(name: string): void {
    this.size -= this.names.get(name)?.size ?? 0;
    this.names.delete(name);
  }

  private forgetAll(): void {
    this.names.clear();
    this.size = 0;
  }
}

const keyOf = (place = '', { protocol, transport, family }: Wanted): string =>
  protocol === undefined && transport === undefined
    ? `${place} ${family ?? ''}`
    : `${place} ${protocol ?? ''} ${transport ?? ''} ${family ?? ''}`;

/** In a few words, for the log: `10.9.0.1 at cell-a`; or why there is nobody. */
export function firstOf({ ranked, verdict }: PlaceDecision): string {
  const [first] = ranked;
  if (first === undefined) return verdict;
  return `${first.vip} at ${first.site}${verdict === 'served' ? '' : `, ${verdict}`}`;
}
