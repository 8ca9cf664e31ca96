/**
 * The driver of routing: VIPs into the kernel, from where FRR takes them to the network. FRR itself is looked after by
 * ospf-daemons.ts: its restart changes nothing here, since the kernel keeps the VIPs. release() withdraws the VIPs and
 * then puts FRR's running configuration back as it was found; detach() leaves both.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Driver } from '../desired/driver.ts';
import type { WantedRoutes } from '../desired/wanted.ts';
import type { Timer } from '../host/ports.ts';
import { Table } from '../registry/table.ts';
import { problemsOf, type RoutingConfig } from './config.ts';
import { createKernelVips } from './kernel.ts';
import type { RouteConflict } from './lsdb.ts';
import { createOspfDaemons, type FrrHost } from './ospf-daemons.ts';
import { allOf, plan, type Step } from './plan.ts';
import type { RoutingStatus } from './status.ts';

/** VIPs whose route is out, and with what metric. */
export type ReachedRoutes = Table<Address, number>;

/** How often the kernel is read again, in ms. */
const AUDIT = 30_000;

export interface Frr extends Driver<WantedRoutes, ReachedRoutes> {
  /** Neighbours, VIPs and problems, as `bivouac show routes` prints them. Never rejects. */
  status(): Promise<RoutingStatus>;
  /** VIPs of ours that others advertise the other way. Also looked for now and then, and logged. Never rejects. */
  conflicts(): Promise<readonly RouteConflict[]>;
}

/** Throws for a configuration that cannot work (see problemsOf). Begins to reach for FRR at once. */
export function createFrr(config: RoutingConfig, host: FrrHost): Frr {
  const wrong = problemsOf(config);
  if (wrong.length > 0) throw new Error(wrong.join('; '));
  const { clock, log } = host;
  const kernel = createKernelVips(config.kind, host.exec, clock, host.openRoutes?.());
  let reached: ReachedRoutes = Table.empty();
  const daemons = createOspfDaemons(config, host, () => reached);

  /** What was wanted when last all of it was reached: then only what differs from it needs a look. */
  let settled: WantedRoutes['routes'] | undefined;

  /** Brings the kernel to `routes`; gives what it would not. */
  const converge = async (routes: WantedRoutes['routes']): Promise<readonly string[]> => {
    const problems: string[] = [];
    const metrics = metricsFor(config);
    const before = kernel.known ?? (await kernel.carried());
    const near = settled && [...routes.changesSince(settled)].map(({ key }) => key);
    settled = undefined;
    const steps = plan(routes, before, metrics, near);
    const refused = await kernel.take(steps);
    const carried = await kernel.carried();
    // After a refusal the kernel was read anew: anything may have turned up.
    const touched = (refused.size === 0 && near) || new Set([...allOf(routes, carried), ...reached.keys()]);
    const draft = reached.draft();
    for (const vip of touched) {
      const step = carried.get(vip);
      if (step === undefined) draft.delete(vip);
      else draft.set(vip, config.metrics[step] ?? metrics[0]!);
    }
    reached = draft.done();
    const undone = new Map(plan(routes, carried, metrics, touched).map(step => [step.vip, step]));
    for (const [step, reason] of refused)
      if (undone.delete(step.vip)) problems.push(sentenceOf(step, reason));
    for (const step of undone.values()) problems.push(sentenceOf(step, 'the kernel does not show it'));
    if (steps.some(step => step.type === 'add')) daemons.lookForConflicts();
    if (problems.length === 0) settled = routes;
    return problems;
  };

  /** One at a time: an audit may be under way when the next state is wanted. With none under way it begins at once. */
  let last: Promise<unknown> | undefined;
  const serially = <T>(run: () => Promise<T>): Promise<T> => {
    const done = last === undefined ? run() : last.then(run);
    const over = done
      .catch(() => {})
      .then(() => {
        if (last === over) last = undefined;
      });
    last = over;
    return done;
  };

  let wanted: WantedRoutes['routes'] | undefined;
  let audit: Timer | undefined;
  /** Now and then the kernel is read again, for VIPs that somebody else took out. */
  const schedule = (): void => {
    if (closed) return;
    audit = clock.after('route-audit', AUDIT, () => {
      void serially(async () => {
        const lost = await kernel.audit();
        settled = undefined;
        if (lost.length > 0) log('warning', 'routes-lost', { vips: lost.slice(0, 5), count: lost.length });
        if (wanted !== undefined) await converge(wanted);
      })
        .catch(error => log('error', 'route-audit-failed', { reason: (error as Error).message }))
        .finally(schedule);
    });
  };

  let closed = false;
  const close = (): void => {
    closed = true;
    audit?.cancel();
    kernel.close();
    daemons.close();
  };

  schedule();
  return {
    apply({ routes }) {
      wanted = routes;
      return serially(async () => {
        try {
          const problems = await converge(routes);
          return { reached, problems };
        } catch (error) {
          // The kernel is read again by the next try; until then the last known state is the best there is.
          return { reached, problems: [`routing: ${(error as Error).message}`] };
        }
      });
    },
    async release() {
      audit?.cancel();
      wanted = undefined;
      try {
        const left = await serially(() => converge(Table.empty()));
        if (left.length > 0) await serially(() => converge(Table.empty()));
        await daemons.restore();
      } finally {
        close();
      }
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
