/**
 * The driver of routing: VIPs into the kernel, from where FRR takes them to the network. FRR itself is looked after by
 * ospf-daemons.ts: its restart changes nothing here, since the kernel keeps the VIPs.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Driver } from '../desired/driver.ts';
import type { WantedRoutes } from '../desired/wanted.ts';
import type { Clock, Exec, Log, OpenVty } from '../host/ports.ts';
import { Table } from '../registry/table.ts';
import { problemsOf, type RoutingConfig } from './config.ts';
import { createKernelVips } from './kernel.ts';
import type { RouteConflict } from './lsdb.ts';
import { createOspfDaemons } from './ospf-daemons.ts';
import { type Carried, plan, type Step } from './plan.ts';
import type { RoutingStatus } from './status.ts';

/** VIPs whose route is out, and with what metric. */
export type ReachedRoutes = Table<Address, number>;

export interface Frr extends Driver<WantedRoutes, ReachedRoutes> {
  /** Neighbours, VIPs and problems, as `bivouac show routes` prints them. Never rejects. */
  status(): Promise<RoutingStatus>;
  /** VIPs of ours that others advertise the other way. Also looked for now and then, and logged. Never rejects. */
  conflicts(): Promise<readonly RouteConflict[]>;
}

export interface FrrHost {
  readonly exec: Exec;
  readonly clock: Clock;
  readonly log: Log;
  readonly openVty: OpenVty;
}

/** Throws for a configuration that cannot work (see problemsOf). Begins to reach for FRR at once. */
export function createFrr(config: RoutingConfig, host: FrrHost): Frr {
  const wrong = problemsOf(config);
  if (wrong.length > 0) throw new Error(wrong.join('; '));
  const kernel = createKernelVips(config.kind, host.exec);
  let reached: ReachedRoutes = Table.empty();
  const daemons = createOspfDaemons(config, host, () => reached);

  /** The table of what is carried, made from the last one so that only what differs costs. */
  const report = (carried: Carried): ReachedRoutes => {
    for (const vip of reached.keys()) if (!carried.has(vip)) reached = reached.without(vip);
    for (const [vip, step] of carried)
      reached = reached.with(vip, config.metrics[step] ?? config.metrics[0]!);
    return reached;
  };

  const close = (): void => {
    kernel.close();
    daemons.close();
  };

  return {
    async apply({ routes }) {
      const problems: string[] = [];
      try {
        const steps = plan(routes, await kernel.carried(), metricsFor(config));
        const refused = await kernel.take(steps);
        const carried = await kernel.carried();
        const undone = new Map(plan(routes, carried, metricsFor(config)).map(step => [step.vip, step]));
        for (const [step, reason] of refused)
          if (undone.delete(step.vip)) problems.push(sentenceOf(step, reason));
        for (const step of undone.values()) problems.push(sentenceOf(step, 'the kernel does not show it'));
        if (steps.some(step => step.type === 'add')) daemons.lookForConflicts();
        return { reached: report(carried), problems };
      } catch (error) {
        // The kernel is read again by the next try; until then the last known state is the best there is.
        return { reached, problems: [`routing: ${(error as Error).message}`] };
      }
    },
    async release() {
      daemons.close();
      const carried = await kernel.carried();
      await kernel.take(plan(Table.empty(), carried, config.metrics));
      close();
    },
    detach: close,
    status: () => daemons.status(),
    conflicts: () => daemons.conflicts(),
  };
}

/** Internal VIPs share the cost of loopback: there is one step. */
const metricsFor = ({ kind, metrics }: RoutingConfig): readonly number[] =>
  kind === 'internal' ? metrics.slice(0, 1) : metrics;

function sentenceOf({ type, vip }: Step, reason: string): string {
  const hint = /File exists|already assigned/.test(reason)
    ? ' (this host has the address already, and not from Bivouac: remove it there, or take it out of the pool)'
    : '';
  return `routing: cannot ${type} ${vip}: ${reason}${hint}`;
}
