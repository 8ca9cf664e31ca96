/** The GSLB as the DNS server sees it: names, records, SRV, who is published when, and that look-ups by prefix and explanations agree. */
import { expect, test } from 'vitest';
import type { RecordType } from '../../../appliance/dns/numbers.ts';
import { Places } from '../../../appliance/dns/places.ts';
import type { View as DnsView, Zone } from '../../../appliance/dns/view.ts';
import type { Fixed } from '../../../appliance/gslb/fixed.ts';
import { Gslb } from '../../../appliance/gslb/gslb.ts';
import { managersFor } from '../../../appliance/gslb/managers.ts';
import { overridesDocument, readOverrides, withOverride } from '../../../appliance/gslb/overrides.ts';
import { DEFAULT_POLICY, type Policy } from '../../../appliance/gslb/policy.ts';
import { decisionRows, explainRows, linkRows, rttRows, siteRows } from '../../../appliance/gslb/rows.ts';
import { srvLabels } from '../../../appliance/gslb/srv.ts';
import type { AnswerChange } from '../../../appliance/gslb/told.ts';
import { readTopology, type Topology } from '../../../appliance/gslb/topology.ts';
import { DEFAULT_LIMITS } from '../../../appliance/gslb/view.ts';
import { address, addressBytes, familyOf } from '../../../sdk/wire/address.ts';
import { recordingLog, VirtualClock } from '../../support/virtual.ts';
import { heard, manager, offer, polled } from './world.ts';

const topologyOf = (sites: unknown): Topology => {
  const read = readTopology(JSON.stringify({ sites }));
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.topology;
};
const TOPOLOGY = topologyOf({
  a: { managers: ['site-a'], clients: ['10.1.0.0/16'] },
  b: { managers: ['site-b'], clients: ['10.2.0.0/16', '10.1.7.0/24'] },
  hq: { clients: ['10.0.0.0/8'] },
});

const ZONE: Zone = {
  ...{ apex: 'example', nameServers: ['ns1.example'], mailbox: 'noc.example' },
  ...{ refresh: 60, retry: 10, expire: 3600, minimum: 2, ttl: 300 },
};

function scene(topology = TOPOLOGY, policies: readonly Policy[] = [], fixed?: Fixed) {
  const clock = new VirtualClock();
  const log = recordingLog();
  const changes: AnswerChange[] = [];
  const published: { view: DnsView; changed: readonly string[] | undefined }[] = [];
  const gslb = new Gslb({
    ...{ clock, log, policies, topology, here: 'hq', limits: DEFAULT_LIMITS },
    ...(fixed && { fixed }),
    zones: [ZONE],
    publish: (view, changed) => void published.push({ view, changed }),
    onChange: change => void changes.push(change),
  });
  const answer = (name: string, type: RecordType = 'A', place = 'a#0') =>
    published.at(-1)!.view.answersFor({ name, type }, place);
  return { clock, changes, gslb, published, answer };
}

test('a service is in the zone within a few ms of its notice, with a short TTL that grows; it goes as fast', async () => {
  const { clock, gslb, published, answer } = scene();
  gslb.take(heard('a', [offer('a')]));
  await clock.advance(5);
  expect(published.at(-1)!.view.names.get('www.example')).toEqual(['A']);
  expect(answer('www.example')).toMatchObject({ ttl: 2, records: [{ type: 'A', address: offer('a').vip }] });
  await clock.advance(120_000);
  expect(published.at(-1)!.changed).toContain('www.example');
  expect(answer('www.example').ttl).toBe(20);
  gslb.take(heard('a', [], { offersGone: [offer('a')] }));
  gslb.take(heard('b', [offer('b')]));
  await clock.advance(5);
  expect(answer('www.example').records).toEqual([{ type: 'A', address: offer('b').vip }]);
  gslb.close();
});

test('a burst of a thousand notices is a few publications', async () => {
  const { clock, gslb, published } = scene();
  for (let at = 0; at < 1000; at++) gslb.take(heard('a', [offer('a', { name: `s${at}.example` })]));
  await clock.advance(10);
  expect(published.length).toBeLessThan(4);
  expect(published.at(-1)!.view.names.has('s999.example')).toBe(true);
  gslb.close();
});

test('small moves publish nothing', async () => {
  const { clock, gslb, published } = scene();
  gslb.take(heard('a', [offer('a')]));
  gslb.take(polled('a', [[offer('a'), 500]]));
  await clock.advance(100);
  const before = published.length;
  gslb.take(polled('a', [[offer('a'), 502]], { rtt: 10.2 }));
  await clock.advance(100);
  expect(published.length).toBe(before);
  gslb.close();
});

test('SRV names come of registrations, at the service and at its domain', async () => {
  const { clock, gslb, published, answer } = scene();
  const ports = (port: number) => [{ first: port, last: port }];
  gslb.take(
    heard('a', [
      offer('a', { name: 'mcu.example', protocol: 'h323', ports: ports(1720) }),
      offer('a', { name: 'mcu.example', protocol: 'h323', transport: 'udp', ports: ports(1719) }),
      offer('a', { name: 'sip.example', protocol: 'sip', transport: 'udp', ports: ports(5060) }),
    ]),
  );
  await clock.advance(5);
  const { names } = published.at(-1)!.view;
  for (const name of [
    '_h323cs._tcp.mcu.example',
    '_h323ls._udp.example',
    '_sip._udp.example',
    '_sip._udp.sip.example',
  ])
    expect(names.get(name), name).toEqual(['SRV']);
  expect(answer('_h323cs._tcp.example', 'SRV').records).toEqual([
    { type: 'SRV', priority: 0, weight: 500, port: 1720, target: 'mcu.example' },
  ]);
  expect(answer('_h323ls._udp.mcu.example', 'SRV').records).toMatchObject([{ port: 1719 }]);
  expect(srvLabels('a.b', 'tcp')).toEqual([]);
  gslb.close();
});

test('a client looked up by prefix gets what is explained for it', async () => {
  const { clock, gslb, published } = scene();
  gslb.take(heard('a', [offer('a', { score: 250 })]));
  gslb.take(heard('b', [offer('b', { score: 900 })]));
  gslb.take(polled('a', [], { paths: { b: 4 } }));
  gslb.take(polled('b', [], { paths: { a: 4 } }));
  await clock.advance(5);
  const { view } = published.at(-1)!;
  const places = new Places(view.topology);
  const sites = new Set<string | undefined>();
  for (const client of [
    '10.1.0.5',
    '10.1.0.6',
    '10.1.7.9',
    '10.1.200.77',
    '10.2.3.4',
    '10.77.0.1',
    '192.0.2.7',
    '::1',
  ]) {
    const place = places.keys[find(places, client)]!;
    const { where, decision } = gslb.explain('www.example', address(client));
    sites.add(where.site);
    expect(place, client).toBe(`${where.site ?? ''}#${where.slot}`);
    expect(view.answersFor({ name: 'www.example', type: 'A' }, place).records).toEqual([
      { type: 'A', address: decision.ranked[0]!.vip },
    ]);
  }
  expect(sites).toEqual(new Set(['a', 'b', 'hq', undefined]));
  // A resolver that tells but a part of its client's address.
  expect(places.keys[find(places, '10.1.5.0', 24)]).toMatch(/^a#/);
  expect(places.keys[find(places, '10.1.0.0', 16)]).toMatch(/^a#/);
  gslb.close();
});

test('that nothing serves is said, although the same is told', async () => {
  const { clock, gslb, answer, changes } = scene();
  gslb.take(heard('a', [offer('a')]));
  await clock.advance(5);
  const before = answer('www.example').records;
  gslb.take(heard('a', [offer('a', { score: 0 })]));
  await clock.advance(5);
  expect(answer('www.example').records).toEqual(before);
  expect(changes.at(-1)).toMatchObject({
    to: `${offer('a').vip} at a, last-known`,
    reason: { code: 'last-known' },
  });
  expect(decisionRows(gslb)[0]).toMatchObject({ verdict: 'last-known' });
  gslb.close();
});

test('another topology and other policies are taken over, and why an answer changed is said', async () => {
  const { clock, gslb, published, answer, changes } = scene();
  gslb.take(heard('a', [offer('a')]));
  gslb.take(heard('b', [offer('b')]));
  await clock.advance(5);
  gslb.configure([{ ...DEFAULT_POLICY, override: ['site-b'] }], topologyOf({}));
  await clock.advance(5);
  expect(published.at(-1)!.changed).toContain('www.example');
  expect(answer('www.example', 'A', '#3').records).toEqual([{ type: 'A', address: offer('b').vip }]);
  gslb.take({ type: 'peer-gone', manager: manager('b') });
  await clock.advance(5);
  expect(changes.at(-1)).toMatchObject({
    name: 'www.example',
    place: undefined,
    from: `${offer('b').vip} at site-b`,
    to: `${offer('a').vip} at site-a`,
    reason: { code: 'share' },
  });
  expect(changes.at(-1)!.reason.sentence).toContain('cost');
  gslb.close();
});

test('two GSLBs that hear the same in another order answer the same', async () => {
  const [one, other] = [scene(), scene()];
  const events = [
    heard('a', [offer('a', { score: 300 })]),
    heard('b', [offer('b', { score: 700 })]),
    heard('c', [offer('c')]),
  ];
  for (const event of events) one.gslb.take(event);
  for (const event of [...events].reverse()) other.gslb.take(event);
  for (let slot = 0; slot < 32; slot++)
    for (const site of ['a', 'b', undefined])
      expect(one.gslb.decideFor('www.example', site, slot).ranked[0]!.vip).toBe(
        other.gslb.decideFor('www.example', site, slot).ranked[0]!.vip,
      );
  one.gslb.close();
  other.gslb.close();
  await one.clock.advance(1);
});

const find = (places: Places, client: string, bits = client.includes(':') ? 128 : 32): number =>
  places.find(addressBytes(address(client)), 0, familyOf(address(client)), bits);

test('rows for the operator: sites, decisions, links, round trips, and an explanation with a reason for each place', async () => {
  const { clock, gslb } = scene();
  gslb.take(heard('a', [offer('a')]));
  gslb.take(heard('b', [offer('b', { score: 700 })]));
  const wan = { name: 'wan0', input: 1_200_000, output: 64_000, rate: 2_000_000, use: 0.6 };
  gslb.take(polled('a', [], { links: [wan], paths: { b: 12 }, rtt: 3 }));
  await clock.advance(2000);
  expect(siteRows(gslb, clock.now())).toMatchObject([
    { site: 'a', manager: 'site-a', notices: 'heard', polls: 'answers', offers: 1 },
    { site: 'b', polls: 'not-yet' },
  ]);
  expect(linkRows(gslb)).toMatchObject([{ in: '1.2 Mbit/s', out: '64.0 kbit/s', use: '60 %' }]);
  expect(rttRows(gslb)).toMatchObject([
    { from: 'here', to: 'site-a', rtt: '3.0 ms' },
    { from: 'site-a', to: 'site-b', rtt: '12.0 ms' },
  ]);
  expect(
    decisionRows(gslb)
      .map(({ clients }) => clients)
      .sort(),
  ).toEqual(['a', 'b', 'hq']);
  const [head, ...ranked] = explainRows(gslb, 'www.example', '10.1.0.5');
  expect(head!['reason']).toContain('10.1.0.0/16');
  expect(ranked).toHaveLength(2);
  expect(ranked.every(row => String(row['reason']).includes('cost'))).toBe(true);
  expect(() => explainRows(gslb, 'www.example', 'nobody')).toThrow("'nobody' is no IP address");
  gslb.close();
});

test('by anycast ARP a client is named managers, best first for where it is', async () => {
  const { clock, gslb } = scene();
  const udp = { transport: 'udp', protocol: 'dns' } as const;
  gslb.take(heard('a', [offer('a'), offer('a', udp)]));
  gslb.take(heard('b', [offer('b')]));
  gslb.take(polled('a', [], { paths: { b: 30 } }));
  gslb.take(polled('b', [], { paths: { a: 30 } }));
  await clock.advance(5);
  const asked = (query: { name?: string; vip?: string }, client: string, selector = {}) =>
    managersFor(
      { ...(query.name && { name: query.name }), ...(query.vip && { vip: address(query.vip) }), selector },
      address(client),
      gslb,
    )?.managers.map(one => one.name);
  expect(asked({ name: 'www.example' }, '10.1.0.5')).toEqual(['site-a', 'site-b']);
  expect(asked({ name: 'www.example' }, '10.2.0.5')).toEqual(['site-b', 'site-a']);
  expect(asked({ name: 'www.example' }, '10.2.0.5', udp)).toEqual(['site-a']);
  expect(asked({ vip: offer('b').vip }, '10.1.0.5')).toEqual(['site-b']);
  expect(asked({}, '10.2.0.5', { protocol: 'http' })).toEqual(['site-b', 'site-a']);
  expect(asked({ name: 'x.example' }, '10.2.0.5')).toBeUndefined();
  gslb.take({ type: 'peer-silent', manager: manager('a') });
  gslb.take({ type: 'poll-lost', manager: manager('a') });
  expect(asked({ name: 'www.example' }, '10.1.0.5')).toEqual(['site-b']);
  expect(asked({}, '10.1.0.5', { protocol: 'http' })).toEqual(['site-b']);
  gslb.close();
});

test('by application all managers are found that have it, among ten thousand services, and in a moment', async () => {
  const { clock, gslb } = scene();
  const many = Array.from({ length: 10_000 }, (_, number) => offer('a', { name: `s${number}.example` }));
  gslb.take(heard('a', many));
  const mcu = offer('b', { name: 'zz.example', protocol: 'h323', ports: [{ first: 1720, last: 1720 }] });
  gslb.take(heard('b', [mcu]));
  gslb.take(heard('c', [offer('c', { name: 'zz.example', protocol: 'h323', score: 0 })]));
  await clock.advance(5);
  const asked = (selector: object, vip?: string) =>
    managersFor({ selector, ...(vip && { vip: address(vip) }) }, address('10.2.0.5'), gslb);
  expect(asked({ protocol: 'h323' })?.managers.map(one => [one.name, one.vips])).toEqual([
    ['site-b', [mcu.vip]],
  ]);
  expect(asked({ protocol: 'h323', ports: [{ first: 80, last: 80 }] })).toBeUndefined();
  expect(asked({ protocol: 'http', transport: 'udp' })).toBeUndefined();
  expect(asked({}, mcu.vip)?.managers.map(one => one.name)).toEqual(['site-b']);
  const began = process.cpuUsage();
  for (let count = 0; count < 200; count++) asked({ protocol: 'http' });
  // µs of its own each, whatever else the machine does.
  expect(process.cpuUsage(began).user / 200).toBeLessThan(30_000);
  gslb.take(heard('b', [], { offersGone: [mcu] }));
  await clock.advance(5);
  expect(asked({ protocol: 'h323' })).toBeUndefined();
  gslb.close();
});

test('an override by a command holds before policies, falls back, is taken back, and can be written down', async () => {
  const { clock, gslb, published, answer, changes } = scene();
  gslb.take(heard('a', [offer('a')]));
  gslb.take(heard('b', [offer('b')]));
  await clock.advance(5);
  const at = '2026-01-01T00:00:00Z';
  expect(answer('www.example').records).toEqual([{ type: 'A', address: offer('a').vip }]);
  const set = withOverride(new Map(), '*.example', ['nowhere', 'site-b'], at);
  gslb.override(readOverrides(JSON.parse(JSON.stringify(overridesDocument(set)))));
  await clock.advance(5);
  expect(published.at(-1)!.changed).toContain('www.example');
  expect(answer('www.example').records).toEqual([{ type: 'A', address: offer('b').vip }]);
  expect(changes.at(-1)).toMatchObject({ place: 'a', reason: { code: 'override' } });
  expect(decisionRows(gslb)[0]).toMatchObject({ policy: 'default, override' });
  gslb.take(heard('b', [], { offersGone: [offer('b')] }));
  await clock.advance(5);
  expect(answer('www.example').records).toEqual([{ type: 'A', address: offer('a').vip }]);
  gslb.take(heard('b', [offer('b')]));
  gslb.override(withOverride(set, '*.example', [], at));
  await clock.advance(5);
  expect(answer('www.example').records).toEqual([{ type: 'A', address: offer('a').vip }]);
  for (const [match, targets] of [
    ['Not A Name', ['x']],
    ['www.example', ['']],
    ['www.example', []],
    ['www.example', Array.from({ length: 65 }, () => 'x')],
  ] as const)
    expect(() => withOverride(set, match, targets, at), match).toThrow(RangeError);
  expect(() => readOverrides({ overrides: [{ match: 'a b', targets: ['x'], at }] })).toThrow(RangeError);
  gslb.close();
});

test('with several answers, addresses come best first, and SRV tells shares as weights and ranks as priorities', async () => {
  const { clock, gslb, answer } = scene(TOPOLOGY, [
    { ...DEFAULT_POLICY, match: 'turns.example', kind: 'weighted', answers: 3 },
    { ...DEFAULT_POLICY, match: 'one.example', kind: 'failover', order: ['site-c', 'site-a'], answers: 2 },
  ]);
  for (const one of ['a', 'b', 'c'] as const) {
    const six = { vip: address(`fd00::${one}`) };
    gslb.take(
      heard(one, [
        offer(one, { name: 'turns.example', weight: one === 'c' ? 200 : 100 }),
        offer(one, { name: 'one.example', ...(one === 'c' && six) }),
      ]),
    );
  }
  await clock.advance(5);
  expect(answer('turns.example').records).toHaveLength(3);
  // The best has but an address of the other family: that family's best is another.
  expect(answer('one.example', 'AAAA').records).toEqual([{ type: 'AAAA', address: 'fd00::c' }]);
  expect(answer('one.example').records).toEqual([
    { type: 'A', address: offer('a').vip },
    { type: 'A', address: offer('b').vip },
  ]);
  // Each family is explained by itself.
  expect(explainRows(gslb, 'one.example', '10.1.0.5').map(row => [row['rank'], row['vip']])).toEqual([
    [0, ''],
    [1, offer('a').vip],
    [2, offer('b').vip],
    [0, ''],
    [1, 'fd00::c'],
  ]);
  const weighted = answer('_http._tcp.turns.example', 'SRV').records as readonly {
    priority: number;
    weight: number;
    target: string;
  }[];
  expect(weighted.map(({ priority }) => priority)).toEqual([0, 0, 0]);
  expect(new Map(weighted.map(({ target, weight }) => [target, weight]))).toEqual(
    new Map([
      [`v4-10-9-97-1.example`, 250],
      [`v4-10-9-98-1.example`, 250],
      [`v4-10-9-99-1.example`, 500],
    ]),
  );
  const ranked = answer('_http._tcp.one.example', 'SRV').records;
  expect(ranked).toMatchObject([
    { priority: 0, target: `v6-fd00${'0'.repeat(27)}c.example` },
    { priority: 1, target: 'v4-10-9-97-1.example' },
  ]);
  expect(answer('v4-10-9-97-1.example').records).toEqual([{ type: 'A', address: offer('a').vip }]);
  gslb.close();
});

test('aliases, texts and name servers are answered as they are configured', async () => {
  const fixed = {
    addresses: new Map([['ns1.example', [address('10.0.0.1'), address('fd00::1')]]]),
    aliases: new Map([['mail.example', 'www.example']]),
    texts: new Map([['www.example', ['one', 'two']]]),
  };
  const { clock, gslb, published, answer } = scene(TOPOLOGY, [], fixed);
  gslb.take(heard('a', [offer('a'), offer('a', { name: 'mail.example' })]));
  await clock.advance(5);
  const { names } = published.at(-1)!.view;
  expect(names.get('mail.example')).toEqual(['CNAME']);
  expect(names.get('www.example')).toEqual(['TXT', 'A']);
  expect(answer('mail.example', 'CNAME').records).toEqual([{ type: 'CNAME', target: 'www.example' }]);
  expect(answer('www.example', 'TXT').records).toEqual([{ type: 'TXT', texts: ['one', 'two'] }]);
  expect(answer('ns1.example', 'AAAA').records).toEqual([{ type: 'AAAA', address: 'fd00::1' }]);
  expect(answer('www.example').records).toEqual([{ type: 'A', address: offer('a').vip }]);
  gslb.close();
});
