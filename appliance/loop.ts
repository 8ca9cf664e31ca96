/**
 * The loop in the middle of design's picture: events go in one at a time and the registry takes each; at the end of the turn it
 * concludes what follows from all of them together, the wanted state is derived, and both are handed out. All state of the manager is
 * here.
 *
 * What comes alone is handed out in the turn in which it came. In a crowd (the network is back after a power cut, and ten thousand
 * servers register) the turns of a few ms share one hand-out, since each costs the drivers a transaction; a loss never waits for it,
 * nor what a driver has reached.
 */
import type { Address } from '../sdk/wire/address.ts';
import { type Derived, type DesiredConfig, derive } from './desired/derive.ts';
import type { Clock, Millis, Timer } from './host/ports.ts';
import type { RegistryConfig } from './registry/config.ts';
import type { Decision } from './registry/decision.ts';
import type { Event } from './registry/events.ts';
import { leave, take } from './registry/reduce.ts';
import type { State } from './registry/state.ts';
import { tell } from './registry/tell.ts';
import { emptyState } from './registry/update.ts';

/** Events since the last hand-out that make a crowd, and how far apart hand-outs are then, unless nothing comes for QUIET. */
const CROWD = 4;
const GATHER: Millis = 12;
const QUIET: Millis = 1;
/**
 * Decisions of one event (a server reports all of its services) that are worth a hand-out of their own, at once: sharing one with what
 * else has come in the turn saves nothing then, and the drivers can begin.
 */
const MUCH = 50;
/**
 * With so many VIPs touched, servers are told when no more have been for CALM, or after PATIENCE: clients wait for the drivers, servers only
 * for news of it, and one message of hundreds of services costs less than many. Checks, directory and ARP follow then, too.
 */
const CALM: Millis = 25;
const PATIENCE: Millis = 120;

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
  /** What was handed out last: a turn or, in a crowd, some ms behind `state`. */
  readonly derived: Derived;
}

export function createLoop(options: {
  readonly rules: Rules;
  readonly clock: Clock;
  readonly onDecision: (decision: Decision) => void;
  /** After a turn in which something changed. */
  readonly onDerived: (derived: Derived) => void;
}): Loop {
  const { clock, onDecision, onDerived } = options;
  let { rules } = options;
  let derived = derive(emptyState(), rules.desired);
  let { state } = derived;
  let concluded = state;
  let turn: Timer | undefined;
  let events = 0;
  let urgent = false;
  let atOnce = false;
  /** Somebody has gone since the last hand-out: nothing of it may be late. */
  let lossy = false;
  let handing = false;
  let handedOut = Number.NEGATIVE_INFINITY;
  /** VIPs whose servers there may be something to tell, since when, and the timer that does. */
  const untold = new Set<Address>();
  let untoldSince: Millis | undefined;
  let telling: Timer | undefined;
  const waiting: Event[] = [];
  let busy = false;

  const handle = (event: Event): void => {
    const step = take(state, rules.registry, event, clock.now());
    const isOut = event.type === 'reached' && (event.routes?.size ?? 0) > state.reached.routes.size;
    const isNow = isUrgent(event, state);
    if (step.decisions.length >= MUCH || (isNow && event.type === 'reached')) atOnce = true;
    if (event.type === 'stop' || (isNow && event.type !== 'reached')) lossy = true;
    state = step.state;
    events++;
    // Somebody waits to be told; it comes once for each transaction of a driver.
    if (event.type === 'reached') concludeAll();
    if (isNow && !urgent) {
      urgent = true;
      turn?.cancel();
      turn = undefined;
    }
    // On a crowd's routes being out hangs nothing but what is late: it follows when servers are told.
    const isLate = isOut && !isNow && telling !== undefined;
    if (state !== derived.state && !isLate) turn ??= clock.after('derive', 0, endTurn);
    for (const decision of step.decisions) onDecision(decision);
  };

  const endTurn = (): void => {
    const early = handedOut + GATHER - clock.now();
    if (events < CROWD || early <= 0 || urgent) {
      settle();
      return;
    }
    const seen = events;
    turn = clock.after('derive', Math.min(QUIET, early), () => (events === seen ? settle() : endTurn()));
  };

  const settle = (): void => {
    turn?.cancel();
    turn = undefined;
    events = 0;
    urgent = false;
    atOnce = false;
    if (state !== derived.state || (telling === undefined && derived.rest !== derived.state)) handOut(false);
    lossy = false;
  };

  const concludeAll = (): void => {
    if (state === concluded) return;
    const left = leave(concluded, state);
    state = left.state;
    concluded = state;
    for (const decision of left.decisions) onDecision(decision);
    for (const vip of left.touched) untold.add(vip);
    const now = clock.now();
    untoldSince ??= now;
    telling?.cancel();
    telling = undefined;
    const wait = Math.min(CALM, untoldSince + PATIENCE - now);
    if (untold.size < MUCH || wait <= 0) tellAll();
    else
      telling = clock.after('tell', wait, () => {
        tellAll();
        turn ??= clock.after('derive', 0, endTurn);
      });
  };

  const tellAll = (): void => {
    telling = undefined;
    const step = tell(state, untold);
    untold.clear();
    untoldSince = undefined;
    // Nobody leaves because of what servers were told.
    if (concluded === state) concluded = step.state;
    state = step.state;
    for (const decision of step.decisions) onDecision(decision);
  };

  const handOut = (anew: boolean): void => {
    concludeAll();
    // What servers are told waits for the same: the crowd's routes are out by then.
    const late = telling !== undefined && !lossy && !anew;
    derived = derive(concluded, rules.desired, derived, { anew, late });
    handing = true;
    try {
      onDerived(derived);
    } finally {
      handing = false;
    }
    handedOut = clock.now();
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
      // Not from within a hand-out, whose later parts would get the older state after the newer.
      if (atOnce && !handing) settle();
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

/**
 * Whether clients may be sent where nobody answers until it is handed out, or a route may wait for nothing else: for a farm that has come,
 * not for one more member of it, of which a crowd brings hundreds a second.
 */
const isUrgent = (event: Event, { reached }: State): boolean =>
  event.type === 'session-ended' ||
  (event.type === 'verdict' && event.outcome === 'fail') ||
  // A server may have moved: as long as its route is out here, two have it.
  (event.type === 'heard' && event.bindings.length > 0) ||
  (event.type === 'reached' &&
    (apart(event.farms, reached.farms) > 0 || isFew(apart(event.routes, reached.routes))));

/** By how many entries they differ, at the least. */
const apart = (now: { readonly size: number } | undefined, before: { readonly size: number }): number =>
  now === undefined ? 0 : Math.abs(now.size - before.size);

/** Of a crowd's routes nothing hangs on that these are out; the next are to follow. */
const isFew = (routes: number): boolean => routes > 0 && routes < MUCH;
