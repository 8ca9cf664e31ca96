/** What a GSLB keeps step by step is what it would make of the whole: the costs of ways, and the names that there are for DNS. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { placesOf, wayCostOf } from '../../appliance/gslb/cost.ts';
import { NameIndex } from '../../appliance/gslb/name-index.ts';
import { reduce } from '../../appliance/gslb/reduce.ts';
import { readTopology, siteOf } from '../../appliance/gslb/topology.ts';
import { emptyView, type GslbEvent, type View } from '../../appliance/gslb/view.ts';
import { Ways } from '../../appliance/gslb/ways.ts';
import { address } from '../../sdk/wire/address.ts';
import { heard, manager, offer, polled } from '../unit/gslb/world.ts';

const MANAGERS = ['a', 'b', 'c', 'd', 'e'] as const;
const CLIENTS = ['one', 'two', 'nowhere', undefined];
const at = fc.constantFrom(...MANAGERS);

const topology = (() => {
  const sites = {
    one: { managers: ['site-a', 'site-b', '10.0.99.9'], clients: ['10.1.0.0/16'] },
    two: { managers: ['site-c'], clients: ['10.2.0.0/16'] },
  };
  const read = readTopology(JSON.stringify({ sites }));
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.topology;
})();

const link = fc.record({
  name: fc.constant('wan0'),
  input: fc.constant(0),
  output: fc.constant(0),
  rate: fc.constantFrom(0, 64_000, 2_000_000),
  use: fc.constantFrom(0, 0.5, 0.97),
});
const network: fc.Arbitrary<GslbEvent> = fc
  .record({
    at,
    rtt: fc.constantFrom(1, 10, 40, 200),
    loss: fc.constantFrom(0, 0.1),
    links: fc.option(fc.array(link, { maxLength: 2 }), { nil: undefined }),
    paths: fc.dictionary(at, fc.constantFrom(2, 8, 30, 150), { maxKeys: 3 }),
  })
  .map(one =>
    polled(one.at, [], {
      ...{ rtt: one.rtt, loss: one.loss, paths: one.paths },
      ...(one.links && { links: one.links }),
    }),
  );
const presence: fc.Arbitrary<GslbEvent> = fc.oneof(
  // A manager may come with another name and another address, and so be at another place.
  fc
    .record({ at, name: fc.constantFrom('x', 'site-c'), moved: fc.boolean(), last: fc.constantFrom(1, 9) })
    .map(one =>
      heard(one.at, [], {
        ...(one.moved && { name: one.name, addresses: [address(`10.0.99.${one.last}`)] }),
      }),
    ),
  at.map(one => ({ type: 'peer-gone', manager: manager(one) }) as const),
  at.map(one => ({ type: 'poll-lost', manager: manager(one) }) as const),
);

test('the costs of ways, and which of them moved', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(network, network, presence), { minLength: 3, maxLength: 50 }), events => {
      let view: View = MANAGERS.reduce((all, one) => reduce(all, heard(one), 0), emptyView());
      const ways = new Ways(view, topology, 'one');
      const told = new Map<string, number>();
      const look = (moved?: ReadonlyMap<string, ReadonlySet<string>>): void => {
        const places = placesOf(view, topology);
        for (const site of view.sites.values())
          for (const client of CLIENTS) {
            const home = siteOf(topology, site);
            expect(ways.homeOf(site.manager)).toBe(home);
            const kept = ways.to(site, home, client);
            const { network: wait, link: through, source } = wayCostOf(site, home, client, places, 'one');
            expect([kept.network, kept.link, kept.source]).toEqual([wait, through, source]);
            const key = `${site.manager} ${client ?? ''}`;
            const before = told.get(key);
            // What is another was said to be.
            if (before !== undefined && before !== wait + through)
              expect([...(moved?.get(site.manager) ?? [])]).toContain(client ?? '');
            told.set(key, wait + through);
          }
      };
      look();
      for (const [step, event] of events.entries()) {
        const next = reduce(view, event, step);
        const moved = ways.update(view.sites.get(event.manager), next.sites.get(event.manager));
        if (!next.sites.has(event.manager))
          for (const key of [...told.keys()]) if (key.startsWith(event.manager)) told.delete(key);
        view = next;
        look(moved);
      }
    }),
    { numRuns: 150, seed: 5 },
  );
});

const service = fc.record({
  at,
  name: fc.constantFrom('one.example', 'two.example', 'v4-10-9-97-1.example', 'alias.example'),
  vip: fc.constantFrom('10.9.97.1', '10.9.97.2', 'fd00::1'),
  kind: fc.constantFrom<readonly ['tcp' | 'udp', string]>(
    ['tcp', 'http'],
    ['udp', 'sip'],
    ['tcp', 'h323'],
    ['tcp', 'a.b'],
  ),
});
const offers: fc.Arbitrary<GslbEvent> = fc.oneof(
  fc.tuple(service, fc.boolean()).map(([one, gone]) => {
    const [transport, protocol] = one.kind;
    const made = offer(one.at, { name: one.name, vip: address(one.vip), transport, protocol });
    return gone ? heard(one.at, [], { offersGone: [made] }) : heard(one.at, [made]);
  }),
  at.map(one => ({ type: 'peer-gone', manager: manager(one) }) as const),
);

test('the names that there are, what SRV names lead to, and who has what of an application', () => {
  const fixed = new Map([['alias.example', ['CNAME'] as const]]);
  const make = () =>
    new NameIndex({
      fixed,
      zoneOf: () => 'example',
      several: name => name === 'one.example',
    });
  const protocols = ['http', 'sip', 'h323', 'a.b'];
  const shown = (index: NameIndex) => {
    const types = [...index.types.entries()].map(([name, list]) => [name, [...list].sort()] as const).sort();
    return {
      types,
      srv: types.map(([name]) => [name, index.sourcesOf(name), index.vipOf(name)]),
      others: ['one.example', 'two.example'].map(name => [...index.othersOf(name)].sort()),
      vips: ['10.9.97.1', 'fd00::1'].map(vip => [...index.namesAt(address(vip))].sort()),
      applications: protocols.map(one =>
        [...index.managersOf(one)].sort().map(who => [who, [...index.namesOf(one, who)].sort()]),
      ),
    };
  };
  fc.assert(
    fc.property(fc.array(offers, { minLength: 1, maxLength: 40 }), events => {
      let view = emptyView();
      const kept = make();
      for (const [step, event] of events.entries()) {
        const next = reduce(view, event, step + 1);
        kept.update(next.names.changesSince(view.names).map(({ key, after }) => [key, after]));
        view = next;
        const whole = make();
        whole.update(view.names.entries());
        expect(shown(kept)).toEqual(shown(whole));
      }
    }),
    { numRuns: 100, seed: 6 },
  );
});
