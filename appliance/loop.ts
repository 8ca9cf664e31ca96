/**
 * The loop in the middle of design's picture: events go in one at a time, the registry reduces them, the wanted state is derived, and
 * what follows is handed out. All state of the manager is here.
 */
import { type Derived, type DesiredConfig, derive } from './desired/derive.ts';
import type { Clock } from './host/ports.ts';
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
  /** Replaces the rules (a reload), and hands out what follows from them. Not to be called from within an event. */
  configure(rules: Rules): void;
  readonly state: State;
  readonly derived: Derived;
}

export function createLoop(options: {
  readonly rules: Rules;
  readonly clock: Clock;
  readonly onDecision: (decision: Decision) => void;
  /** After each event that changed something. */
  readonly onDerived: (derived: Derived) => void;
}): Loop {
  const { clock, onDecision, onDerived } = options;
  let { rules } = options;
  let derived = derive(emptyState(), rules.desired);
  const waiting: Event[] = [];
  let busy = false;

  const handle = (event: Event): void => {
    const step = reduce(derived.state, rules.registry, event, clock.now());
    const before = derived;
    derived = derive(step.state, rules.desired, derived);
    for (const decision of step.decisions) onDecision(decision);
    if (derived.state !== before.state) onDerived(derived);
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
    configure(next) {
      rules = next;
      derived = derive(derived.state, rules.desired, derived, true);
      onDerived(derived);
    },
    get state() {
      return derived.state;
    },
    get derived() {
      return derived;
    },
  };
}
