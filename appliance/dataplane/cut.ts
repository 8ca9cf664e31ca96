/** The kernel's flows, as the driver needs them (host/flows.ts). */
import type { Flow } from './flow.ts';
import type { Death } from './plan.ts';

export interface Flows {
  /** Conntrack's flows with one of these marks (all balanced ones without). */
  tracked(marks?: ReadonlySet<number>): Promise<readonly Flow[]>;
  /** Takes all of conntrack's flows with one of these marks out. */
  forget(marks: ReadonlySet<number>): Promise<void>;
  /** The flows that `direct` mode remembers, with one of these marks (all without). */
  remembered(marks?: ReadonlySet<number>): Promise<readonly Flow[]>;
  /** Sends each client the SYN of syn.ts. */
  probe(flows: readonly Flow[]): Promise<void>;
  close(): void;
}

/** Ends the flows of members that are gone, after the rules have stopped serving them. */
export interface Cutter {
  /**
   * Returns at once; the work goes on by itself. `dead` is asked again before what happens later. `calmly`: nobody is left for the
   * clients to go to, so what is more urgent, their route, goes first.
   */
  cut(deaths: readonly Death[], dead: (mark: number) => boolean, calmly?: boolean): void;
  close(): void;
}
