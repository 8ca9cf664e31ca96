/**
 * Counts the starts of this manager, so that its notices of before a restart are known for what they are (docs/protocol.md, Notices).
 */
import type { Store } from '../host/ports.ts';

const DOCUMENT = 'boot';
/** u48: what the element holds. */
const MOST = 2 ** 48 - 1;

/** The number of this start, from 1, written down before it is given: a store that is lost begins anew. */
export function nextBoot(store: Store): number {
  const last = store.read(DOCUMENT, document => (document as { boot?: number }).boot ?? 0) ?? 0;
  const boot = last >= MOST ? 1 : last + 1;
  store.write(DOCUMENT, { version: 1, boot });
  return boot;
}
