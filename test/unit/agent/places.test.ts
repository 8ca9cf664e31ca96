import { expect, test } from 'vitest';
import { isOnLink, placesOf, Whereabouts } from '../../../appliance/agent/places.ts';
import type { Surroundings } from '../../../appliance/host/ports.ts';
import { address } from '../../../sdk/wire/address.ts';

interface Shape {
  readonly running?: boolean;
  readonly addresses?: readonly string[];
  /** Router and metric of a default route. */
  readonly router?: string;
  readonly metric?: number;
}

function around(shapes: Record<string, Shape>): Surroundings {
  const entries = Object.entries({ lo: { addresses: ['10.99.0.1/32'] }, ...shapes } as Record<string, Shape>);
  return {
    interfaces: entries.map(([name, { running = true, addresses = [] }], index) => ({
      ...{ name, index: index + 1, loopback: name === 'lo', running },
      addresses: addresses.map(text => {
        const [own, prefix] = text.split('/');
        return { address: address(own!), prefix: Number(prefix) };
      }),
    })),
    routes: entries.flatMap(([, { router, metric = 0 }], index) =>
      router === undefined
        ? []
        : [{ interface: index + 1, family: 4 as const, gateway: address(router), metric }],
    ),
  };
}

const inA = { addresses: ['10.1.0.9/24'], router: '10.1.0.1' };
const inB = { addresses: ['10.2.0.9/24'], router: '10.2.0.1' };
const places = (shapes: Record<string, Shape>, named = new Map()) => placesOf(around(shapes), [], named);
const order = (shapes: Record<string, Shape>, named = new Map()) =>
  places(shapes, named).map(place => place.interface);

test('places: by default route, then by what DHCP named, then the newest; none without carrier or address', () => {
  const bare = { addresses: ['172.17.0.1/16'] };
  expect(order({ docker0: bare, eth0: { ...inA, metric: 100 }, eth1: { ...inB, metric: 50 } })).toEqual([
    'eth1',
    'eth0',
    'docker0',
  ]);
  expect(order({ eth0: bare, eth1: bare, eth2: bare }, new Map([['eth1', []]]))).toEqual([
    'eth1',
    'eth2',
    'eth0',
  ]);
  expect(
    order({ eth0: { ...inA, running: false }, eth1: {}, eth2: { addresses: ['169.254.3.4/16'] } }),
  ).toEqual([]);
});

test('a VIP on an interface says nothing of where it is', () => {
  const eth0 = { ...inA, addresses: ['10.99.0.7/32', '10.1.0.9/24'] };
  const [place] = placesOf(around({ eth0 }), [address('10.99.0.7')], new Map());
  expect(place!.addresses.map(one => one.address)).toEqual(['10.1.0.9']);
});

test('managers: those that DHCP named go before the routers', () => {
  const named = new Map([['eth0', [{ address: address('10.1.0.5'), port: 9000 }]]]);
  expect(places({ eth0: inA }, named)[0]!.managers).toEqual([
    { address: '10.1.0.5', port: 9000 },
    { address: '10.1.0.1', port: 9746 },
  ]);
});

test('what is on a link', () => {
  const [place] = places({ eth0: { addresses: ['10.1.0.9/22', 'fd01::9/64'] } });
  expect(['10.1.3.1', '10.1.4.1', 'fd01::1', 'fd02::1'].map(text => isOnLink(place!, address(text)))).toEqual(
    [true, false, true, false],
  );
});

/** What follows from each change, at its time. */
function story(...changes: readonly (readonly [number, Record<string, Shape>])[]): string[] {
  const whereabouts = new Whereabouts();
  return changes.map(([now, shapes]) => {
    const step = whereabouts.next(places(shapes), now);
    if (step.type === 'wait') return `wait ${step.delay}`;
    return 'managers' in step ? `${step.type} ${step.managers.map(one => one.address)}`.trim() : step.type;
  });
}

test('another subnet is gone to at once, and its router as soon as it is known', () => {
  const early = { addresses: inB.addresses };
  expect(story([0, { eth0: inA }], [10, { eth0: early }], [12, { eth0: inB }], [20, { eth0: inB }])).toEqual([
    'none',
    'relocate',
    'suggest 10.2.0.1',
    'none',
  ]);
});

test('a link that was down and is up again is looked at anew; while it is down nothing is done', () => {
  const down = { ...inA, running: false };
  expect(story([0, { eth0: inA }], [10, { eth0: down }], [20, { eth0: inA }])).toEqual([
    'none',
    'none',
    'relocate 10.1.0.1',
  ]);
});

test('another address of the same interface is no other place, unless it is the first', () => {
  const more = { ...inA, addresses: ['10.1.0.9/24', 'fd01::9/64'] };
  const other = { ...inA, addresses: ['10.1.0.77/24'] };
  expect(story([0, { eth0: inA }], [1, { eth0: more }], [2, { eth0: other }])).toEqual([
    'none',
    'none',
    'relocate 10.1.0.1',
  ]);
});

test('two default routes that take turns are not followed each time; a place that is gone is left at once', () => {
  const first = { eth0: { ...inA, metric: 1 }, eth1: { ...inB, metric: 2 } };
  const second = { eth0: { ...inA, metric: 2 }, eth1: { ...inB, metric: 1 } };
  expect(
    story([0, first], [1000, second], [2000, first], [2500, second], [3000, first], [6000, first]),
  ).toEqual(['none', 'relocate 10.2.0.1', 'wait 4000', 'none', 'wait 3000', 'relocate 10.1.0.1']);
  expect(story([0, first], [1000, second], [2000, { eth0: inA }])).toEqual([
    'none',
    'relocate 10.2.0.1',
    'relocate 10.1.0.1',
  ]);
});

test('a bridge of containers holds nobody back from the cable’s return', () => {
  const docker0 = { addresses: ['172.17.0.1/16'] };
  const down = { ...inA, running: false };
  expect(
    story([0, { docker0, eth0: inA }], [10, { docker0, eth0: down }], [900, { docker0, eth0: inA }]),
  ).toEqual(['none', 'relocate', 'relocate 10.1.0.1']);
});
