/**
 * What has to change in the kernel, as values: wanted VIPs against those that the kernel carries for us.
 */
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import type { Table } from '../registry/table.ts';

/** The VIPs that the kernel carries for us, and with which step of RoutingConfig.metrics. */
export type Carried = ReadonlyMap<Address, number>;

export type Step =
  | { readonly type: 'add' | 'change'; readonly vip: Address; readonly step: number }
  | { readonly type: 'remove'; readonly vip: Address; readonly step: number };

/** The metrics' index nearest to a metric that is wanted; the cheaper of two as near. */
export function stepOf(metric: number, metrics: readonly number[]): number {
  let best = 0;
  for (const [step, candidate] of metrics.entries())
    if (Math.abs(candidate - metric) < Math.abs(metrics[best]! - metric)) best = step;
  return best;
}

/**
 * The steps from `carried` to `wanted`, for these VIPs (all of them, unless the caller knows that the others are right): additions
 * first, then changes, then removals, so that nothing has a gap.
 */
export function plan(
  wanted: Table<Address, number>,
  carried: Carried,
  metrics: readonly number[],
  vips: Iterable<Address> = allOf(wanted, carried),
): readonly Step[] {
  const added: Step[] = [];
  const changed: Step[] = [];
  const removed: Step[] = [];
  for (const vip of vips) {
    const metric = wanted.get(vip);
    const now = carried.get(vip);
    if (metric === undefined) {
      if (now !== undefined) removed.push({ type: 'remove', vip, step: now });
      continue;
    }
    // OSPFv3 cannot tell the steps apart: see kernel-form.ts.
    const step = familyOf(vip) === 4 ? stepOf(metric, metrics) : 0;
    if (now === undefined) added.push({ type: 'add', vip, step });
    else if (now !== step) changed.push({ type: 'change', vip, step });
  }
  return [...added, ...changed, ...removed];
}

/** Every VIP that is wanted or carried. */
export const allOf = (wanted: Table<Address, number>, carried: Carried): ReadonlySet<Address> =>
  new Set([...wanted.keys(), ...carried.keys()]);

/** What is carried when a step is done. */
export function carry(carried: Map<Address, number>, { type, vip, step }: Step): void {
  if (type === 'remove') carried.delete(vip);
  else carried.set(vip, step);
}
