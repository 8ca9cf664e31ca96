/**
 * The GSLB: holds the view, takes one event at a time, and says what changed. What it knows and how it decides is pure and in other files;
 * this one remembers.
 */
import type { Address, Prefix } from '../../sdk/wire/address.ts';
import { parsePrefix } from '../../sdk/wire/address.ts';
import type { View as DnsView, Place, Zone } from '../dns/view.ts';
import type { Clock, Log, Millis, Timer } from '../host/ports.ts';
import { placesOf } from './cost.ts';
import { type Decision, decide, type Knowledge, type Wanted } from './decide.ts';
import { networkDiffers, offersDiffer } from './differ.ts';
import { indexOf, type NameIndex } from './name-index.ts';
import { type Policy, policyFor, ttlOf } from './policy.ts';
import { fixedOutcome, outcomeOf } from './records.ts';
import { reduce } from './reduce.ts';
import { dealt, type Located, locate, type Topology } from './topology.ts';
import { emptyView, type GslbEvent, type View, type ViewLimits } from './view.ts';

/** What changes within this is published together. */
const GATHER: Millis = 2;
/** How often answers are looked at that have to be told for longer, now that they have settled. */
const SETTLE: Millis = 5000;
/** Leaders that are remembered, for hysteresis. */
const MOST_LEADERS = 50_000;
/** Names of a change whose answers are compared, for the log. */
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
  /** Names with addresses of their own: the name servers'. */
  readonly fixed?: ReadonlyMap<string, readonly Address[]>;
  /** A new view for DNS; `changed`: names whose answers may be others, absent: all. */
  readonly publish: (view: DnsView, changed: readonly string[] | undefined) => void;
}

export class Gslb {
  private readonly options: GslbOptions;
  private policies: readonly Policy[];
  private topology: Topology;
  private prefixes: DnsView['topology'];
  private view: View = emptyView();
  private kept: Knowledge | undefined;
  private index: NameIndex;
  private version = 0;
  private readonly leaders = new Map<string, string>();
  /** Names whose TTL has still to rise, and what it was when they were published. */
  private readonly unsettled = new Map<string, number>();
  /** Since the last publication. */
  private published: View = emptyView();
  private everything = true;
  private readonly timers = new Set<Timer>();
  private pending = false;

  constructor(options: GslbOptions) {
    this.options = options;
    this.policies = options.policies;
    this.topology = options.topology;
    this.prefixes = prefixesOf(options.topology);
    this.index = indexOf(this.view, options.fixed);
    this.settle();
    this.schedule();
  }

  /** What is known now. */
  get knows(): Knowledge {
    const { view, topology } = this;
    this.kept ??= { view, topology, places: placesOf(view, topology), here: this.options.here };
    return this.kept;
  }

  take(event: GslbEvent): void {
    const next = reduce(this.view, event, this.options.clock.now(), this.options.limits);
    if (next === this.view) return;
    const changed = next.version !== this.view.version;
    this.view = next;
    this.kept = undefined;
    if (changed) this.schedule();
  }

  /** Goes on with another topology or other policies: only what differs is decided anew. */
  configure(policies: readonly Policy[], topology: Topology): void {
    if (topology !== this.topology) this.prefixes = prefixesOf(topology);
    this.policies = policies;
    this.topology = topology;
    this.kept = undefined;
    this.everything = true;
    this.schedule();
  }

  /** What a client gets for a name, and why. */
  explain(
    name: string,
    client: Address,
    wanted: Wanted = {},
  ): { readonly where: Located; readonly decision: Decision; readonly ttl: number } {
    const where = locate(this.topology, client);
    return { where, ...this.ask(name, where, wanted) };
  }

  /** As explain, for clients of a site; undefined: of those that nobody knows. */
  decideFor(name: string, site: string | undefined, slot = 0, wanted: Wanted = {}): Decision {
    return this.ask(name, { site, slot }, wanted).decision;
  }

  policyOf(name: string): Policy {
    return policyFor(this.policies, name);
  }

  close(): void {
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
  }

  private ask(
    name: string,
    where: Pick<Located, 'site' | 'slot'>,
    wanted: Wanted,
  ): { decision: Decision; ttl: number } {
    const policy = policyFor(this.policies, name);
    const key = `${name} ${where.site ?? ''} ${wanted.protocol ?? ''} ${wanted.transport ?? ''}`;
    const decision = decide(name, where, this.knows, policy, this.leaders.get(key), wanted);
    if (decision.leader !== undefined) {
      if (this.leaders.size >= MOST_LEADERS) this.leaders.clear();
      this.leaders.set(key, decision.leader);
    }
    const ttl = ttlOf(policy, this.options.clock.now() - decision.since);
    if (ttl < policy.ttl.most && decision.verdict !== 'no-such-name') this.unsettled.set(name, ttl);
    return { decision, ttl };
  }

  private after(name: string, delay: Millis, run: () => void): void {
    const timer = this.options.clock.after(name, delay, () => {
      this.timers.delete(timer);
      run();
    });
    this.timers.add(timer);
  }

  private schedule(): void {
    if (this.pending) return;
    this.pending = true;
    this.after('gslb-publish', GATHER, () => {
      this.pending = false;
      this.publish();
    });
  }

  private publish(): void {
    const before = this.published;
    const all = this.everything || networkDiffers(before, this.view);
    const touched = this.view.names
      .changesSince(before.names)
      .filter(({ before: one, after }) => one?.moved !== after?.moved);
    const names = touched.map(({ key }) => key);
    if (touched.some(({ before: one, after }) => offersDiffer(one, after)))
      this.index = indexOf(this.view, this.options.fixed);
    this.say(names.slice(0, MOST_COMPARED));
    this.published = this.view;
    this.everything = false;
    this.tell(all ? undefined : names);
  }

  private tell(names: readonly string[] | undefined): void {
    const owners = names?.flatMap(name => this.index.owners.get(name) ?? []) ?? [];
    const view = this.dnsView();
    this.options.publish(view, names && [...new Set([...names, ...owners])]);
  }

  private dnsView(): DnsView {
    const { zones, fixed } = this.options;
    const { types, srv } = this.index;
    this.version++;
    return {
      ...{ version: this.version, zones, names: types, topology: this.prefixes },
      answersFor: (question, place) =>
        fixedOutcome(question, fixed) ??
        outcomeOf(question, srv.get(question.name) ?? [], (name, wanted = {}) =>
          this.ask(name, readPlace(place), wanted),
        ),
    };
  }

  /** What was told for short, because it had just changed, may be told for longer. */
  private settle(): void {
    this.after('gslb-settle', SETTLE, () => {
      const now = this.options.clock.now();
      const due: string[] = [];
      for (const [name, ttl] of this.unsettled) {
        const known = this.view.names.get(name);
        const policy = policyFor(this.policies, name);
        const next = known && ttlOf(policy, now - Math.max(known.since, known.moved));
        if (next === ttl) continue;
        this.unsettled.delete(name);
        if (next !== undefined) due.push(name);
      }
      if (due.length > 0) this.tell(due);
      this.settle();
    });
  }

  /** Says why answers are others than before: of clients that nobody knows, for the log. */
  private say(names: readonly string[]): void {
    const { log, here } = this.options;
    const old: Knowledge = {
      ...this.knows,
      view: this.published,
      places: placesOf(this.published, this.topology),
    };
    for (const name of names) {
      const policy = policyFor(this.policies, name);
      const before = decide(name, { site: here, slot: 0 }, old, policy);
      const after = decide(name, { site: here, slot: 0 }, this.knows, policy);
      const [one, other] = [before.ranked[0], after.ranked[0]];
      if (one?.vip === other?.vip && one?.manager === other?.manager && before.verdict === after.verdict)
        continue;
      log('info', 'answer-changed', {
        name,
        from: one === undefined ? before.verdict : `${one.vip} at ${one.site}`,
        to: other === undefined ? after.verdict : `${other.vip} at ${other.site}`,
        sentence: other?.reason.sentence ?? `${name}: ${after.verdict}`,
      });
    }
  }
}

/** `site#slot`; '' and `#slot` are those of whom nobody knows where they are. */
function readPlace(place: Place): Pick<Located, 'site' | 'slot'> {
  const at = place.lastIndexOf('#');
  const site = at < 0 ? place : place.slice(0, at);
  return { site: site === '' ? undefined : site, slot: at < 0 ? 0 : Number(place.slice(at + 1)) };
}

/** Every subnet that clients are dealt out in. */
function prefixesOf(topology: Topology): DnsView['topology'] {
  const found: { prefix: Prefix; place: Place }[] = [];
  const lengthOf = (prefix: Prefix): number => Number(prefix.slice(prefix.indexOf('/') + 1));
  const deal = (prefix: Prefix, site: string): void => {
    found.push({ prefix, place: `${site}#0` });
    for (const [subnet, slot] of dealt(prefix, topology.deal)) {
      if (subnet === prefix) continue;
      // What lies in a longer prefix is that one's; what only has one within is not.
      const holder = locate(topology, subnet.slice(0, subnet.indexOf('/')) as Address).prefix;
      const foreign = holder !== undefined && holder !== prefix && lengthOf(holder) > lengthOf(prefix);
      if (!foreign || lengthOf(holder) > lengthOf(subnet))
        found.push({ prefix: subnet, place: `${site}#${slot}` });
    }
  };
  for (const everybody of ['0.0.0.0/0', '::/0']) deal(parsePrefix(everybody)!, '');
  for (const [, prefixes] of [...topology.lengths].reverse())
    for (const [prefix, site] of prefixes) deal(prefix, site);
  return found;
}
