/**
 * The GSLB: holds the view, takes one event at a time, and says what changed. What it knows and how it decides is pure and in other files;
 * this one remembers.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { View as DnsView, Zone } from '../dns/view.ts';
import type { Clock, Log, Millis, Timer } from '../host/ports.ts';
import { type Answering, dnsView, zoneOf } from './answering.ts';
import type { Knowledge, Wanted } from './candidates.ts';
import { decideAt, forSlot, type PlaceDecision } from './decide.ts';
import { offersDiffer } from './differ.ts';
import { type Fixed, fixedTypes, NOTHING_FIXED } from './fixed.ts';
import { NameIndex } from './name-index.ts';
import { type Overrides, overridden, overridesBy } from './overrides.ts';
import { prefixesOf } from './places.ts';
import { Planner } from './planner.ts';
import { type ByName, type Policy, policiesBy, ttlOf } from './policy.ts';
import { reduce } from './reduce.ts';
import { type Suspect, Suspects } from './suspects.ts';
import { type AnswerChange, firstOf, type Told, ToldAnswers } from './told.ts';
import { type Located, locate, type Topology } from './topology.ts';
import { emptyView, type GslbEvent, type View, type ViewLimits } from './view.ts';
import { Ways } from './ways.ts';

/** What changes within this is published together. */
const GATHER: Millis = 2;
/** What changes when nothing was published for so long is published at once. */
const QUIET: Millis = 20;
/** How long it is looked, at a stretch, for answers that are others now, and how long others have their turn then. */
const SLICE: Millis = 4;
const PAUSE: Millis = 1;
/** How often answers are looked at that have to be told for longer, now that they have settled. */
const SETTLE: Millis = 5000;
/** How often it is looked at how clients are to be dealt out. */
const PLAN: Millis = 1000;
/** Leaders that are remembered, for hysteresis. */
const MOST_LEADERS = 50_000;
/** Names of a change whose answers are compared, for the events. */
const MOST_COMPARED = 64;

export interface GslbOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly zones: readonly Zone[];
  readonly policies: readonly Policy[];
  readonly topology: Topology;
  /** The GSLB's own site. */
  readonly here: string | undefined;
  readonly limits: ViewLimits;
  /** What is in the zones besides what managers offer. */
  readonly fixed?: Fixed;
  readonly overrides?: Overrides;
  /** A new view for DNS; `changed`: names whose answers may be others, absent: all. */
  readonly publish: (view: DnsView, changed: readonly string[] | undefined) => void;
  readonly onChange?: (change: AnswerChange) => void;
}

export class Gslb {
  readonly counters = { publications: 0, rechecked: 0, changed: 0 };
  private readonly options: GslbOptions;
  private readonly answering: Answering;
  private policies: ByName<Policy>;
  private topology: Topology;
  private prefixes: DnsView['topology'];
  private view: View = emptyView();
  private ways: Ways;
  private readonly index: NameIndex;
  private overrides: ReturnType<typeof overridesBy>;
  private version = 0;
  private readonly leaders = new Map<string, string>();
  private readonly told = new ToldAnswers();
  private readonly suspects = new Suspects();
  private readonly planner = new Planner();
  /** Names whose TTL has still to rise: what it was when they were published, and since when they are as they are. */
  private readonly unsettled = new Map<string, { readonly ttl: number; readonly since: Millis }>();
  /** Names that were asked for while what was known was another than what was told of them before. */
  private readonly stale = new Set<string>();
  /** Since the last publication. */
  private published: View = emptyView();
  private everything = true;
  private again = false;
  private readonly timers = new Set<Timer>();
  private pending = false;
  /** When it was published last. */
  private last = Number.NEGATIVE_INFINITY;

  constructor(options: GslbOptions) {
    const { policies, topology, here, fixed = NOTHING_FIXED, overrides = new Map() } = options;
    this.options = options;
    this.policies = policiesBy(policies);
    this.overrides = overridesBy(overrides);
    this.topology = topology;
    this.prefixes = prefixesOf(topology);
    this.ways = new Ways(this.view, topology, here);
    this.index = new NameIndex({
      fixed: fixedTypes(fixed),
      zoneOf: name => zoneOf(options.zones, name),
      several: name => this.policyOf(name).answers > 1,
    });
    this.answering = {
      ...{ zones: options.zones, fixed, index: this.index },
      ask: (where, name, wanted) => this.ask(name, where, wanted),
    };
    this.settle();
    this.plan(PLAN);
    this.schedule();
  }

  /** What is known now. */
  get knows(): Knowledge {
    const { view, topology, ways, planner } = this;
    return { view, topology, ways, places: ways.places, here: this.options.here, plans: planner };
  }

  /** What there is besides names: by VIP, by application. */
  get finds(): Pick<NameIndex, 'namesAt' | 'managersOf' | 'namesOf'> {
    return this.index;
  }

  /** Names at places that an answer was made for, and is watched over. */
  get watched(): number {
    return this.told.count;
  }

  /** Names whose clients are about to be dealt out otherwise. */
  get moving(): number {
    return this.planner.moving;
  }

  take(event: GslbEvent): void {
    const { clock, limits } = this.options;
    const before = this.view;
    const next = reduce(before, event, clock.now(), limits);
    if (next === before) return;
    this.view = next;
    for (const { key } of next.names.changesSince(before.names)) this.planner.wake(key);
    if (next.sites !== before.sites) {
      const { manager } = event;
      this.suspects.addWays(this.ways.update(before.sites.get(manager), next.sites.get(manager)));
    }
    if (next.version === before.version && this.suspects.empty) return;
    // What comes of a sudden is told at once; what comes right behind it, together.
    if (!this.pending && clock.now() - this.last >= QUIET) this.publish();
    else this.schedule();
  }

  /** Goes on with another topology or other policies: only answers that differ are made anew. */
  configure(policies: readonly Policy[], topology: Topology): void {
    if (topology !== this.topology) {
      this.prefixes = prefixesOf(topology);
      this.topology = topology;
      this.ways = new Ways(this.view, topology, this.options.here);
    }
    this.policies = policiesBy(policies);
    // Whether VIPs have names of their own is said by policies.
    this.index.update(this.view.names.entries());
    this.suspectAll();
  }

  /** From now on these names are overridden, and no others. */
  override(overrides: Overrides): void {
    this.overrides = overridesBy(overrides);
    this.suspectAll();
  }

  /** What a client gets for a name, and why. */
  explain(
    name: string,
    client: Address,
    wanted: Wanted = {},
  ): { readonly where: Located; readonly decision: PlaceDecision; readonly ttl: number } {
    const where = locate(this.topology, client);
    const decision = forSlot(this.decideAt(name, where.site, wanted), where.slot);
    const told = this.told.of(name).find(one => one.place === (where.site ?? ''));
    return { where, decision, ttl: this.ttlOf(decision, told) };
  }

  /** As explain, for clients of a site; undefined: of those that nobody knows. */
  decideFor(name: string, site: string | undefined, slot = 0, wanted: Wanted = {}): PlaceDecision {
    return forSlot(this.decideAt(name, site, wanted), slot);
  }

  policyOf(name: string): Policy {
    return overridden(this.policies.of(name), this.overrides.of(name));
  }

  close(): void {
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
  }

  private decideAt(name: string, site: string | undefined, wanted: Wanted): PlaceDecision {
    const policy = this.policyOf(name);
    const { protocol, transport, family } = wanted;
    const key = `${name} ${site ?? ''} ${protocol ?? ''} ${transport ?? ''} ${family ?? ''}`;
    const decision = decideAt(name, site, this.knows, policy, this.leaders.get(key), wanted);
    if (decision.leader !== undefined) {
      if (this.leaders.size >= MOST_LEADERS) this.leaders.clear();
      this.leaders.set(key, decision.leader);
    }
    return decision;
  }

  /** The answer that DNS will keep until it is said to be another. */
  private ask(
    name: string,
    { site, slot }: Pick<Located, 'site' | 'slot'>,
    wanted: Wanted,
  ): { readonly decision: PlaceDecision; readonly ttl: number } {
    if (this.policyOf(name).kind === 'default') this.planner.asked(name, wanted, site);
    const decision = this.decideAt(name, site, wanted);
    const { told, before, full } = this.told.note(site, wanted, decision, this.options.clock.now());
    if (before !== undefined || full) {
      // What other clients of the place were told, and DNS keeps, is not looked at any more: it would not be found out.
      this.stale.add(name);
      this.everything ||= full ?? false;
      this.schedule();
      if (before !== undefined) this.say(decision, before);
    }
    const ttl = this.ttlOf(decision, told);
    if (ttl < decision.policy.ttl.most && decision.verdict !== 'no-such-name')
      this.unsettled.set(name, { ttl, since: sinceOf(decision, told) });
    return { decision: forSlot(decision, slot), ttl };
  }

  private ttlOf(decision: PlaceDecision, told: Told | undefined): number {
    return ttlOf(decision.policy, this.options.clock.now() - sinceOf(decision, told));
  }

  private after(name: string, delay: Millis, run: () => void): void {
    const timer = this.options.clock.after(name, delay, () => {
      this.timers.delete(timer);
      run();
    });
    this.timers.add(timer);
  }

  private schedule(delay = GATHER): void {
    if (this.pending) return;
    this.pending = true;
    this.after('gslb-publish', delay, () => {
      this.pending = false;
      this.publish();
    });
  }

  private publish(): void {
    this.last = this.options.clock.now();
    const touched = this.view.names
      .changesSince(this.published.names)
      .filter(({ before, after }) => before?.moved !== after?.moved);
    const others = touched.filter(({ before, after }) => offersDiffer(before, after));
    const gone = others.flatMap(({ key }) => this.index.othersOf(key));
    if (others.length > 0) this.index.update(others.map(({ key, after }) => [key, after]));
    const names = new Set(touched.map(({ key }) => key));
    for (const name of this.stale) names.add(name);
    this.stale.clear();
    this.published = this.view;
    for (const [at, { key, after }] of touched.entries()) {
      this.planner.look(key, this.knows, this.options.clock.now());
      if (after === undefined) this.told.forget(key);
      else if (at < MOST_COMPARED) this.compare(key);
      else this.told.forget(key);
    }
    if (touched.length > MOST_COMPARED)
      this.options.log('info', 'answers-changed', { names: touched.length, compared: MOST_COMPARED });
    if (this.everything || this.again || names.size > 0) this.tell(this.everything ? undefined : names, gone);
    this.everything = false;
    this.again = false;
    this.sift();
  }

  /** Looks each second at what clients want of all names; of many, when there is time. */
  private plan(delay: Millis): void {
    this.after('gslb-plan', delay, () => {
      const { clock } = this.options;
      const begun = clock.now();
      const { changed, done } = this.planner.turn(this.knows, begun, () => clock.now() < begun + SLICE);
      this.suspects.addNames(changed);
      if (changed.length > 0) this.schedule();
      this.plan(done ? PLAN : PAUSE);
    });
  }

  /** Looks at what was told of a name, so that it can be said what became of it. */
  private compare(name: string): void {
    const { here } = this.options;
    this.recheck({ name });
    if (!this.told.of(name).some(({ place }) => place === (here ?? '')))
      this.told.note(here, {}, this.decideAt(name, here, {}), this.options.clock.now());
  }

  /** Looks for answers that are others since the network moved, for as long as others can wait. */
  private sift(): void {
    if (this.suspects.empty) return;
    const { clock } = this.options;
    const until = clock.now() + SLICE;
    const changed = new Set<string>();
    do {
      const suspect = this.suspects.next(this.view);
      if (suspect === undefined) break;
      this.planner.wake(suspect.name);
      if (this.recheck(suspect)) changed.add(suspect.name);
    } while (clock.now() < until);
    if (changed.size > 0) this.tell(changed);
    if (!this.suspects.empty) this.schedule(PAUSE);
  }

  /** Whether anything else is to be told of the name now. */
  private recheck({ name, places }: Suspect): boolean {
    let changed = false;
    for (const told of this.told.of(name)) {
      if (places !== undefined && !places.has(told.place)) continue;
      this.counters.rechecked++;
      const site = told.place === '' ? undefined : told.place;
      const decision = this.decideAt(name, site, told.wanted);
      const { before } = this.told.note(site, told.wanted, decision, this.options.clock.now());
      if (before === undefined) continue;
      changed = true;
      this.say(decision, before);
    }
    return changed;
  }

  private suspectAll(): void {
    this.suspects.addNames(this.told.keys());
    // The topology is told with any view, and so are names that came or went.
    this.again = true;
    this.schedule();
  }

  /** `gone`: names that told of them before. */
  private tell(names: Iterable<string> | undefined, gone: readonly string[] = []): void {
    this.counters.publications++;
    const view = dnsView(++this.version, this.prefixes, this.answering);
    if (names === undefined) {
      this.options.publish(view, undefined);
      return;
    }
    const all = new Set(gone);
    for (const name of names) {
      all.add(name);
      for (const other of this.index.othersOf(name)) all.add(other);
    }
    this.options.publish(view, [...all]);
  }

  /** What was told for short, because it had just changed, may be told for longer. */
  private settle(): void {
    this.after('gslb-settle', SETTLE, () => {
      const now = this.options.clock.now();
      const due: string[] = [];
      for (const [name, { ttl, since }] of this.unsettled) {
        const known = this.view.names.has(name);
        if (known && ttlOf(this.policyOf(name), now - since) === ttl) continue;
        this.unsettled.delete(name);
        if (known) due.push(name);
      }
      if (due.length > 0) this.tell(due);
      this.settle();
    });
  }

  /** Says what became of an answer. That the shares of the same first have moved is only counted. */
  private say(decision: PlaceDecision, before: Told): void {
    const [first] = decision.ranked;
    const to = firstOf(decision);
    this.counters.changed++;
    if (to === before.first) return;
    this.options.onChange?.({
      ...{ name: decision.name, place: before.place === '' ? undefined : before.place },
      ...{ from: before.first, to },
      reason: {
        code: first?.reason.code ?? decision.verdict,
        sentence: first?.reason.sentence ?? `${decision.name}: ${decision.verdict}`,
      },
    });
  }
}

/** Since the answer is what it is. */
const sinceOf = (decision: PlaceDecision, told: Told | undefined): Millis =>
  Math.max(decision.since, told?.since ?? Number.NEGATIVE_INFINITY);
