/** Connections counted by farm and member. Pure. */
import type { FarmKey } from '../desired/wanted.ts';
import type { Flow } from './flow.ts';
import { farmOfMark, indexOfMark } from './mark.ts';
import type { Reached } from './plan.ts';

/** Established TCP flows of each member, by memberName; members with none are absent. */
export function countConnections(
  flows: Iterable<Flow>,
  reached: Reached,
): ReadonlyMap<FarmKey, ReadonlyMap<string, number>> {
  const byMark = new Map<number, number>();
  for (const { mark, transport, established } of flows)
    if (transport === 'tcp' && established) byMark.set(mark, (byMark.get(mark) ?? 0) + 1);
  const counts = new Map<FarmKey, Map<string, number>>();
  for (const [mark, count] of byMark) {
    const key = reached.ids.get(`${farmOfMark(mark)}`);
    for (const [name, index] of (key && reached.farms.get(key)?.indices) ?? []) {
      if (key === undefined || index !== indexOfMark(mark)) continue;
      const members = counts.get(key) ?? new Map<string, number>();
      counts.set(key, members.set(name, count));
    }
  }
  return counts;
}
