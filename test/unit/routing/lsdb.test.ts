import { describe, expect, it } from 'vitest';
import { conflictsOf, readAdvertisements } from '../../../appliance/routing/lsdb.ts';
import { firstAddress, readNeighbours } from '../../../appliance/routing/status.ts';
import { address } from '../../../sdk/wire/address.ts';

// As FRR 8.4.4 prints them, cut to what is read and one line more.
const stub = (networkAddress: string, networkMask: string, tos0Metric: number) => ({
  linkType: 'Stub Network',
  networkAddress,
  networkMask,
  numOfTosMetrics: 0,
  tos0Metric,
});
const ROUTER = {
  routerId: '10.255.0.3',
  routerLinkStates: {
    areas: {
      '0.0.0.0': [
        {
          lsaType: 'router-LSA',
          advertisingRouter: '10.255.0.1',
          routerLinks: {
            link0: { linkType: 'another Router (point-to-point)', neighborRouterId: '10.255.0.2' },
            link1: stub('10.9.1.0', '255.255.255.0', 10),
            link2: stub('10.50.7.7', '255.255.255.255', 7),
          },
        },
      ],
    },
  },
};
const external = (linkStateId: string, advertisingRouter: string, metricType: string, networkMask = 32) => ({
  lsaType: 'AS-external-LSA',
  linkStateId,
  advertisingRouter,
  networkMask,
  metricType,
  metric: 20,
});
const EXTERNAL = {
  asExternalLinkStates: [
    external('10.50.7.7', '10.255.0.3', 'E1'),
    external('10.50.7.8', '10.255.0.3', 'E2'),
    external('10.50.0.0', '10.255.0.3', 'E1', 16),
  ],
};

describe('readAdvertisements', () => {
  it('finds host routes of both kinds', () => {
    expect(readAdvertisements(ROUTER, EXTERNAL)).toEqual([
      { vip: '10.50.7.7', router: '10.255.0.1', origin: 'internal', metric: 7 },
      { vip: '10.50.7.7', router: '10.255.0.3', origin: 'external-1', metric: 20 },
      { vip: '10.50.7.8', router: '10.255.0.3', origin: 'external-2', metric: 20 },
    ]);
  });

  it.each([
    undefined,
    null,
    7,
    'x',
    [],
    {},
    { routerLinkStates: { areas: { a: [null, { routerLinks: [1] }] } } },
  ])('makes nothing of %j', junk => {
    expect(readAdvertisements(junk, junk)).toEqual([]);
  });
});

describe('conflictsOf', () => {
  const vips = new Set(['10.50.7.7', '10.50.7.8'].map(address));
  const all = readAdvertisements(ROUTER, EXTERNAL);

  it('warns an external manager of an internal one, who gets everything', () => {
    const [conflict, ...rest] = conflictsOf(new Set([address('10.50.7.7')]), 'external', '10.255.0.3', all);
    expect(rest).toEqual([]);
    expect(conflict).toMatchObject({ router: '10.255.0.1', ours: 'external', theirs: 'internal' });
    expect(conflict!.reason).toContain('every client to 10.255.0.1, however far, and none to this manager');
  });

  it('warns an internal manager, who gets everything', () => {
    const found = conflictsOf(vips, 'internal', '10.255.0.1', all);
    expect(found.map(({ vip, theirs }) => [vip, theirs])).toEqual([
      ['10.50.7.7', 'external-1'],
      ['10.50.7.8', 'external-2'],
    ]);
    expect(found[0]!.reason).toContain('every client to this manager, however far, and none to 10.255.0.3');
  });

  it('warns of type 2 among type 1', () => {
    const found = conflictsOf(vips, 'external', '10.255.0.9', all);
    expect(found.map(({ theirs }) => theirs)).toEqual(['internal', 'external-2']);
  });

  it('is content with the same kind, with itself, and with VIPs that are not ours', () => {
    const external1 = all.filter(({ origin }) => origin === 'external-1');
    expect(conflictsOf(vips, 'external', '10.255.0.9', external1)).toEqual([]);
    expect(conflictsOf(vips, 'internal', '10.255.0.3', external1)).toEqual([]);
    expect(conflictsOf(new Set(), 'internal', '10.255.0.9', all)).toEqual([]);
  });
});

describe('status', () => {
  it('reads neighbours of FRR 8 and the newer names, with BFD', () => {
    const one = {
      nbrState: 'Full/-',
      upTimeInMsec: 5180,
      ifaceAddress: '10.9.1.2',
      ifaceName: 'ab:10.9.1.1',
    };
    const neighbors = { '10.255.0.2': [one, { ...one, address: '10.9.3.2', nbrState: 'Init/DR' }] };
    expect(readNeighbours({ neighbors }, [{ peer: '10.9.1.2', status: 'up' }])).toEqual([
      { router: '10.255.0.2', address: '10.9.1.2', interface: 'ab', state: 'Full', sinceMs: 5180, bfd: 'up' },
      { router: '10.255.0.2', address: '10.9.3.2', interface: 'ab', state: 'Init', sinceMs: 5180 },
    ]);
    expect(readNeighbours(undefined, undefined)).toEqual([]);
  });

  it('takes the router ID from the first link that has an address', () => {
    const link = (ifname: string, ...locals: string[]) => ({
      ifname,
      addr_info: locals.map(local => ({ family: local.includes(':') ? 'inet6' : 'inet', local })),
    });
    const links = [link('lo', '10.50.0.1'), link('wan0', 'fe80::1'), link('wan1', '10.9.1.1', '10.9.1.9')];
    expect(firstAddress(links, ['wan0', 'wan1'])).toBe('10.9.1.1');
    expect(firstAddress(links, ['wan0'])).toBeUndefined();
  });
});
