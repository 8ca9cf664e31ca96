import { expect, test } from 'vitest';
import type { Farm } from '../../../appliance/desired/wanted.ts';
import { bucketShares, layFarm, type VirtualService } from '../../../appliance/ipvs/layout.ts';
import { planService, type Step } from '../../../appliance/ipvs/plan.ts';
import { render } from '../../../appliance/ipvs/render.ts';
import { address } from '../../../sdk/wire/address.ts';
import { farm, member } from '../dataplane/farms.ts';

const A = member('10.1.0.11', { weight: 100 });
const B = member('10.1.0.12', { weight: 50, accepts: false });
const gallery: readonly Farm[] = [
  farm([A, B]),
  farm([A], { mode: 'direct', scheduler: 'wlc', ports: { first: 5000, last: 5001 } }),
  farm([A, B], { mode: 'tunnel', scheduler: 'maglev', vip: address('10.50.0.2') }),
  farm([{ ...A, port: 8080 }], { ports: { first: 443, last: 443 }, affinity: 300, affinityPrefix: 24 }),
  farm([A], { transport: 'udp', ports: { first: 5060, last: 5060 }, affinity: 60, affinityBy: 'sip' }),
  farm([member('fd01::11')], { vip: address('fd50::1'), affinity: 10, affinityPrefix: 64 }),
  farm([A, { ...A, ...member('10.1.0.13', { weight: 200 }) }], {
    transport: 'sctp',
    scheduler: 'source-hash',
    ports: { first: 2905, last: 2905 },
  }),
];

const stepsOf = (before: readonly VirtualService[], after: readonly VirtualService[]): readonly Step[] => {
  const plans = [...new Set([...before, ...after].map(({ name }) => name))].map(name =>
    planService(
      before.find(each => each.name === name),
      after.find(each => each.name === name),
    ),
  );
  return [...plans.flatMap(({ adds }) => adds), ...plans.flatMap(({ removes }) => removes)];
};

test('one farm of each kind, from nothing', async () => {
  const steps = gallery.flatMap(each => stepsOf([], layFarm(each)));
  await expect(render(steps)).toMatchFileSnapshot('../../golden/ipvs/farms.rules');
});

test('a farm changes in all that can change', async () => {
  const steps = [
    ...stepsOf(layFarm(farm([A, B])), layFarm(farm([B, member('10.1.0.14')], { affinity: 30 }))),
    ...stepsOf(
      layFarm(farm([A])),
      layFarm(farm([{ ...A, weight: 7 }], { mode: 'tunnel', scheduler: 'maglev' })),
    ),
    ...stepsOf(layFarm(farm([A, B])), []),
  ];
  await expect(render(steps)).toMatchFileSnapshot('../../golden/ipvs/changes.rules');
});

test.each([
  [
    [100, 100],
    [1, 1],
  ],
  [
    [100, 50, 0],
    [2, 1, 0],
  ],
  [
    [1000, 999],
    [128, 127],
  ],
  [
    [1000, 1],
    [255, 1],
  ],
  [
    [0, 0],
    [0, 0],
  ],
])('weights %j are %j shares of 256 buckets', (weights, shares) => {
  expect(bucketShares(weights)).toEqual(shares);
});
