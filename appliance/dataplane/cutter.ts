/**
 * What is done about the flows of members that are gone, beyond the rules that serve them no more: UDP flows are forgotten, so that the
 * next datagram goes to another server; TCP clients are made to meet the rule that resets them, now rather than at their next word.
 */
import type { Clock, Log, Timer } from '../host/ports.ts';
import type { Cutter, Flows } from './cut.ts';
import type { Death } from './plan.ts';

/**
 * A probe may be lost; clients that have gone by then answer the second with a RST that nobody minds. Linux answers at most one in
 * 500 ms on a connection (tcp_invalid_ratelimit), so it makes no sense to ask again sooner.
 */
const AGAIN = 600;
/**
 * The kernel goes through all of conntrack's table, milliseconds on end, to find the flows of a member. Where the member was the last of
 * its farm, the VIP's route is on its way out at this moment, on a machine that may have no core to spare: so long it waits.
 */
const CALM = 20;
/** Conntrack keeps a cut TCP flow this long, so that a late word of its client still gets its RST. */
const FORGET = 60_000;

export interface CutterParts {
  readonly flows: Flows;
  readonly clock: Clock;
  readonly log: Log;
}

export function createCutter({ flows, clock, log }: CutterParts): Cutter {
  const timers = new Set<Timer>();
  /** Those who are to be cut calmly, all in one go. */
  const calm: Death[] = [];
  let closed = false;
  const after = (name: string, delay: number, run: () => Promise<void>): void => {
    if (closed) return;
    const timer = clock.after(name, delay, () => {
      timers.delete(timer);
      attempt(run);
    });
    timers.add(timer);
  };
  const attempt = (run: () => Promise<void>): void => {
    run().catch((error: Error) => log('warning', 'dataplane-cut-failed', { reason: error.message }));
  };

  const cut = async (deaths: readonly Death[], dead: (mark: number) => boolean): Promise<void> => {
    const marks = (of: (death: Death) => boolean): ReadonlySet<number> =>
      new Set(deaths.filter(of).map(each => each.mark));
    await flows.forget(marks(each => each.transport === 'udp' && each.mode !== 'direct'));
    const nat = marks(each => each.transport === 'tcp' && each.mode === 'nat');
    const direct = marks(each => each.transport === 'tcp' && each.mode === 'direct');
    const listed = [
      ...(nat.size > 0 ? await flows.tracked(nat) : []),
      ...(direct.size > 0 ? await flows.remembered(direct) : []),
    ];
    // A server that came back meanwhile has the mark that it had: its new flows are not to be asked.
    const clients = listed.filter(flow => dead(flow.mark));
    log('info', 'dataplane-cut', { members: deaths.length, flows: clients.length });
    await flows.probe(clients);
    if (clients.length > 0)
      after('probe-again', AGAIN, () => flows.probe(clients.filter(flow => dead(flow.mark))));
    if (nat.size > 0) after('forget-cut-flows', FORGET, () => flows.forget(new Set([...nat].filter(dead))));
  };
  return {
    cut(deaths, dead, calmly = false) {
      if (!calmly) {
        attempt(() => cut(deaths, dead));
        return;
      }
      if (calm.length === 0) after('cut-calmly', CALM, () => cut(calm.splice(0), dead));
      calm.push(...deaths);
    },
    close() {
      closed = true;
      for (const timer of timers) timer.cancel();
      timers.clear();
      flows.close();
    },
  };
}
