/**
 * Which flows outlive their server's leave: those of a VIP that is the server's alone, when it went on to another manager, or may be on
 * its way. Where several share a VIP, who left cannot be reached by what still comes here.
 */
import { bindingKey } from './elsewhere.ts';
import type { Millis, Parting, ServerRecord, State } from './state.ts';

/** How long it is remembered why a server left. */
const REMEMBERED: Millis = 60_000;

/** The partings with this server's from each VIP that is its alone. */
export function part(
  { partings, leases }: State,
  server: ServerRecord,
  why: Parting['why'],
  at: Millis,
): State['partings'] {
  let next = partings;
  for (const { spec } of server.services.values()) {
    if (leases.get(spec.vip)?.get(server.id)?.lease.shared === false)
      next = next.with(bindingKey(spec.vip, server.id), { why, at });
  }
  return next;
}

/** The partings without this server's: its flows end with it. */
export function unpart({ partings }: State, server: ServerRecord): State['partings'] {
  if (partings.size === 0) return partings;
  const draft = partings.draft();
  for (const { spec } of server.services.values()) draft.delete(bindingKey(spec.vip, server.id));
  return draft.done();
}

/** Without those of long ago. */
export function forgetPartings(state: State, now: Millis): State {
  if (state.partings.size === 0) return state;
  const draft = state.partings.draft();
  for (const [key, { at }] of state.partings.entries()) if (now - at >= REMEMBERED) draft.delete(key);
  const partings = draft.done();
  return partings === state.partings ? state : { ...state, partings };
}
