import { expect, test } from 'vitest';
import { memberName } from '../../../appliance/dataplane/farm.ts';
import { renderLayout } from '../../../appliance/dataplane/layout.ts';
import { planFarm, planVips, type Reached, type Step } from '../../../appliance/dataplane/plan.ts';
import { render } from '../../../appliance/dataplane/render.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { address } from '../../../sdk/wire/address.ts';
import { farm, gallery, member } from './farms.ts';

const golden = (name: string): string => `../../golden/nftables/${name}.nft`;
let reached: Reached = { farms: Table.empty(), ids: Table.empty(), directs: Table.empty() };
for (const each of gallery) ({ reached } = planFarm(each.key, each, reached));

test('the table without farms', async () => {
  await expect(renderLayout(9747)).toMatchFileSnapshot(golden('layout'));
});

test('one farm of each kind, from nothing', async () => {
  let state: Reached = { farms: Table.empty(), ids: Table.empty(), directs: Table.empty() };
  const steps: Step[] = [];
  for (const each of gallery) {
    const plan = planFarm(each.key, each, state);
    expect(plan.problem).toBeUndefined();
    steps.push(...plan.steps);
    state = plan.reached;
  }
  steps.push(
    ...planVips(
      Table.empty(),
      Table.from([
        [address('10.50.0.1'), true],
        [address('fd50::1'), true],
      ]),
    ),
  );
  await expect(render(steps)).toMatchFileSnapshot(golden('farms'));
});

test('a member goes, another comes: elements alone', async () => {
  const [first] = gallery;
  const plan = planFarm(first!.key, farm([member('10.1.0.12', { weight: 2 }), member('10.1.0.13')]), reached);
  expect(plan.deaths).toHaveLength(1);
  expect(plan.steps.every(step => step.do === 'add' || step.do === 'delete')).toBe(true);
  await expect(render(plan.steps)).toMatchFileSnapshot(golden('member-replaced'));
});

test('affinity goes, the last accepting member drains, a direct farm leaves', async () => {
  const { key, ...rest } = gallery[1]!;
  const steps = [
    ...planFarm(
      key,
      { key, ...rest, affinity: 0, members: rest.members.map(m => ({ ...m, accepts: false })) },
      reached,
    ).steps,
  ];
  const leaves = planFarm(gallery[3]!.key, undefined, reached);
  expect(leaves.deaths.map(death => death.mode)).toEqual(['direct', 'direct']);
  steps.push(...leaves.steps);
  await expect(render(steps)).toMatchFileSnapshot(golden('farms-leave'));
});

test('a VIP whose server has roamed is not met any longer, even if it died a moment before', () => {
  const [, , , each] = gallery;
  const late = ({ steps }: { readonly steps: readonly Step[] }) =>
    steps.filter(step => 'element' in step && step.element === 'late_vips4 10.50.0.1').map(step => step.do);
  const none = { farms: Table.empty(), ids: Table.empty(), directs: Table.empty() } as Reached;
  const there = planFarm(each!.key, each, none).reached;
  const names = new Set(each!.members.map(one => memberName(each!, one)));
  expect(late(planFarm(each!.key, undefined, there))).toEqual(['add']);
  // One of two has died.
  expect(late(planFarm(each!.key, undefined, there, new Set([...names].slice(1))))).toEqual(['add']);
  const roamed = planFarm(each!.key, undefined, there, names);
  expect(late(roamed)).toEqual(['forget']);
  expect(render(roamed.steps).match(/\w+ element inet bivouac late_vips4 .*/g)).toEqual([
    'add element inet bivouac late_vips4 { 10.50.0.1 }',
    'delete element inet bivouac late_vips4 { 10.50.0.1 }',
  ]);
});

test('nothing to do is no text', () => {
  for (const each of gallery)
    expect(render(planFarm(each.key, structuredClone(each), reached).steps)).toBe('');
});
