/**
 * The parts of one answer, gathered in any order (docs/protocol.md §7.4). Bounded: what a stranger can make it keep is at most
 * MAX_BYTES.
 */
import { MAX_PARTS } from '../wire/answer.ts';
import type { AnycastMessage } from '../wire/messages.ts';
import type { AnsweredServer } from '../wire/model.ts';

export type AnswerPart = Extract<AnycastMessage, { type: 'answer' }>;

/** Bytes of one answer that are taken, all of its parts together. */
export const MAX_BYTES = 4 * 1024 * 1024;

export type Added =
  | 'incomplete'
  | 'complete'
  | 'duplicate'
  | 'too-many-parts'
  | 'too-large'
  | 'part-mismatch';

export class Assembly {
  private readonly parts = new Map<number, AnswerPart>();
  private bytes = 0;
  /** ms on the clock: when the answer ends to hold, as its most short-lived part says. */
  expires = Number.POSITIVE_INFINITY;
  /** When the first part came. */
  began: number | undefined;

  /** Takes a part in; the parts of one answer agree in manager, VIP and number. */
  add(part: AnswerPart, size: number, now: number): Added {
    if (part.parts > MAX_PARTS) return 'too-many-parts';
    if (this.parts.has(part.part)) return 'duplicate';
    const first = this.first;
    if (first !== undefined && !alike(first, part)) return 'part-mismatch';
    if (this.bytes + size > MAX_BYTES) return 'too-large';
    this.bytes += size;
    this.parts.set(part.part, part);
    this.began ??= now;
    this.expires = Math.min(this.expires, now + part.validity);
    return this.parts.size === part.parts ? 'complete' : 'incomplete';
  }

  get first(): AnswerPart | undefined {
    return this.parts.values().next().value;
  }

  /** All servers, best first as the manager has put them; one that was dealt out over parts is whole again. */
  servers(): AnsweredServer[] {
    const found = new Map<string, AnsweredServer>();
    for (const [, part] of [...this.parts].sort(([a], [b]) => a - b)) {
      for (const server of part.servers) {
        const known = found.get(server.address);
        found.set(
          server.address,
          known === undefined
            ? server
            : {
                ...known,
                score: Math.max(known.score, server.score),
                services: [...known.services, ...server.services],
              },
        );
      }
    }
    return [...found.values()].sort((a, b) => b.score - a.score);
  }
}

const alike = (a: AnswerPart, b: AnswerPart): boolean =>
  a.parts === b.parts && a.manager === b.manager && a.vip === b.vip;
