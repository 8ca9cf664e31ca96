import { expect, test } from 'vitest';
import type { Farm, FarmKey, WantedDataplane } from '../../../appliance/desired/wanted.ts';
import { createPassiveDataplane } from '../../../appliance/reconciler/passive.ts';
import { Table } from '../../../appliance/registry/table.ts';

const wanted = (sizes: Readonly<Record<string, number>>): WantedDataplane => ({
  vips: Table.empty(),
  partings: Table.empty(),
  farms: Table.from(
    Object.entries(sizes).map(([key, size]) => [
      key as FarmKey,
      { key, members: new Array(size).fill({}) } as unknown as Farm,
    ]),
  ),
});

test('a data plane that does nothing reaches every member of every farm, and forgets those that go', async () => {
  const driver = createPassiveDataplane();
  const counts = async (sizes: Readonly<Record<string, number>>): Promise<unknown> => {
    const { reached, problems } = await driver.apply(wanted(sizes));
    expect(problems).toEqual([]);
    return Object.fromEntries(reached.entries());
  };
  expect(await counts({ a: 1, b: 2 })).toEqual({ a: 1, b: 2 });
  expect(await counts({ b: 3, c: 1 })).toEqual({ b: 3, c: 1 });
  expect(await counts({})).toEqual({});
});
