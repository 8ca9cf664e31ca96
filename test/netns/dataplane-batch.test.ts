import { afterAll, expect, test } from 'vitest';
import { encode } from '../../appliance/dataplane/batch.ts';
import { renderLayout } from '../../appliance/dataplane/layout.ts';
import { planFarm, type Reached, type Step } from '../../appliance/dataplane/plan.ts';
import { render } from '../../appliance/dataplane/render.ts';
import type { Farm } from '../../appliance/desired/wanted.ts';
import { openNetlink } from '../../appliance/host/netlink.ts';
import { Table } from '../../appliance/registry/table.ts';
import { Network } from '../support/netns.ts';
import { gallery, member } from '../unit/dataplane/farms.ts';

const network = new Network();
afterAll(() => network.dispose());

/** What changes, step by step: each farm comes, changes, changes again, and half of them go. */
function* story(): Iterable<readonly Step[]> {
  let reached: Reached = { farms: Table.empty(), ids: Table.empty(), directs: Table.empty() };
  const turn = (farm: Farm, wanted: Farm | undefined): readonly Step[] => {
    const plan = planFarm(farm.key, wanted, reached);
    expect(plan.problem).toBeUndefined();
    ({ reached } = plan);
    return plan.steps;
  };
  const farms = gallery.map(each => ({ ...each, affinity: 0 }));
  for (const farm of farms) yield turn(farm, farm);
  for (const farm of farms) yield turn(farm, { ...farm, scheduler: 'source-hash' });
  for (const farm of farms) {
    const extra = member(farm.vip.includes(':') ? 'fd01::77' : '10.1.0.77', { weight: 3 });
    yield turn(farm, { ...farm, members: [...farm.members, extra] });
  }
  for (const farm of farms.slice(3)) yield turn(farm, undefined);
}

test('a transaction in bytes does what its text does, to the letter', async () => {
  const [bytes, text] = [network.namespace('bytes'), network.namespace('text')];
  for (const namespace of [bytes, text]) namespace.runSync('nft', ['-f', '-'], renderLayout(9747));
  const netlink = bytes.within(() => openNetlink(12));
  const listing = (of: typeof bytes): string =>
    of.runSync('nft', ['-j', 'list', 'ruleset']).replace(/"handle": \d+/g, '"handle": 0');
  let count = 0;
  for (const steps of story()) {
    if (steps.length === 0) continue; // a farm that refuses has no scheduler
    const batch = encode(steps)!;
    expect(await netlink.batch(batch.bytes, batch.last)).toBe('');
    text.runSync('nft', ['-f', '-'], render(steps));
    expect(listing(bytes)).toBe(listing(text));
    count++;
  }
  expect(count).toBe(20);

  // What has timed out is no error to forget, neither is what has not.
  const late = 'late_vips4 10.50.0.9';
  for (const there of [true, false]) {
    const put: Step[] = there ? [{ do: 'add', element: late, data: '' }] : [];
    for (const steps of [put, [{ do: 'forget', element: late } as const]]) {
      if (steps.length === 0) continue;
      const batch = encode(steps)!;
      expect(await netlink.batch(batch.bytes, batch.last)).toBe('');
      text.runSync('nft', ['-f', '-'], render(steps));
      const has = steps === put;
      expect([bytes, text].map(one => listing(one).includes('10.50.0.9'))).toEqual([has, has]);
    }
  }

  // What the kernel refuses it undoes as a whole, and says so.
  const before = listing(bytes);
  const wrong = encode([
    { do: 'add', element: 'live 4096', data: '' },
    { do: 'add', element: 'farms4 10.9.9.9 . tcp . 80', data: 'jump nowhere' },
  ])!;
  expect(await netlink.batch(wrong.bytes, wrong.last)).toContain('No such file');
  expect(listing(bytes)).toBe(before);
  netlink.close();
});
