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

/** The steps from `carried` to `wanted`: additions first, then changes, then removals, so that nothing has a gap. */
export function plan(
  wanted: Table<Address, number>,
  carried: Carried,
  metrics: readonly number[],
): readonly Step[] {
  const added: Step[] = [];
  const changed: Step[] = [];
  const removed: Step[] = [];
  for (const [vip, metric] of wanted.entries()) {
    // OSPFv3 cannot tell the steps apart: see kernel-form.ts.
    const step = familyOf(vip) === 4 ? stepOf(metric, metrics) : 0;
    const now = carried.get(vip);
    if (now === undefined) added.push({ type: 'add', vip, step });
    else if (now !== step) changed.push({ type: 'change', vip, step });
  }
  for (const [vip, step] of carried) if (!wanted.has(vip)) removed.push({ type: 'remove', vip, step });
  return [...added, ...changed, ...removed];
}

/** What is carried when a step is done. */
export function carry(carried: Map<Address, number>, { type, vip, step }: Step): void {
  if (type === 'remove') carried.delete(vip);
  else carried.set(vip, step);
}
