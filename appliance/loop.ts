/**
 * The loop in the middle of design's picture: events go in one at a time and the registry reduces each; at the end of the turn the
 * wanted state is derived from all of them together, and what follows is handed out. All state of the manager is here.
 *
 * One event alone is handed out at once, in the turn in which it came. Of a thousand that came in one turn the drivers see one change.
 */
import { type Derived, type DesiredConfig, derive } from './desired/derive.ts';
import type { Clock, Timer } from './host/ports.ts';
import type { RegistryConfig } from './registry/config.ts';
import type { Decision } from './registry/decision.ts';
import type { Event } from './registry/events.ts';
import { reduce } from './registry/reduce.ts';
import type { State } from './registry/state.ts';
import { emptyState } from './registry/update.ts';

export interface Rules {
  readonly registry: RegistryConfig;
  readonly desired: DesiredConfig;
}

export interface Loop {
  /** Takes an event; while another is being handled it waits its turn. */
  dispatch(event: Event): void;
  /** Derives and hands out now what otherwise the end of the turn does. */
  settle(): void;
  /** Replaces the rules (a reload), and hands out what follows from them. Not to be called from within an event. */
  configure(rules: Rules): void;
  /** After the last event. */
  readonly state: State;
  /** What was handed out last: at the most one turn behind `state`. */
  readonly derived: Derived;
}

export function createLoop(options: {
  readonly rules: Rules;
  readonly clock: Clock;
  readonly onDecision: (decision: Decision) => void;
  /** Once a turn in which something changed. */
  readonly onDerived: (derived: Derived) => void;
}): Loop {
  const { clock, onDecision, onDerived } = options;
  let { rules } = options;
  let derived = derive(emptyState(), rules.desired);
  let { state } = derived;
  let turn: Timer | undefined;
  const waiting: Event[] = [];
  let busy = false;

  const handle = (event: Event): void => {
    const step = reduce(state, rules.registry, event, clock.now());
    state = step.state;
    if (state !== derived.state) turn ??= clock.after('derive', 0, settle);
    for (const decision of step.decisions) onDecision(decision);
  };

  const settle = (): void => {
    turn?.cancel();
    turn = undefined;
    if (state !== derived.state) handOut(false);
  };

  const handOut = (anew: boolean): void => {
    derived = derive(state, rules.desired, derived, anew);
    onDerived(derived);
  };

  return {
    dispatch(event) {
      waiting.push(event);
      if (busy) return;
      busy = true;
      try {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) handle(next);
      } finally {
        busy = false;
      }
    },
    settle,
    configure(next) {
      rules = next;
      handOut(true);
    },
    get state() {
      return state;
    },
    get derived() {
      return derived;
    },
  };
}
