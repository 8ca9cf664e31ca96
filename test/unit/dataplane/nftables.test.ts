/** The nftables driver beside a kernel that is told what to refuse. */
import { expect, test } from 'vitest';
import { LAYOUT, TABLE } from '../../../appliance/dataplane/layout.ts';
import { createNftables } from '../../../appliance/dataplane/nftables.ts';
import type { Routes } from '../../../appliance/dataplane/routes.ts';
import type { Sysctl } from '../../../appliance/dataplane/sysctl.ts';
import type { Farm, FarmKey, WantedDataplane } from '../../../appliance/desired/wanted.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { address } from '../../../sdk/wire/address.ts';
import { recordingLog } from '../../support/virtual.ts';
import { farm, member } from './farms.ts';

/** 600 farms are three transactions. */
const FARMS = Array.from({ length: 1000 }, (_, n) =>
  farm([member('10.1.0.11')], { vip: address(`10.50.${n >> 8}.${n & 255}`) }),
);
const wanted = (farms: readonly Farm[]): WantedDataplane => ({
  farms: Table.from(farms.map(each => [each.key, each] as const)),
  vips: Table.empty(),
  partings: Table.empty(),
});

/** A driver that has its table, and what it has said to the kernel since. `refused`: then all goes as text, and what holds this is refused. */
async function rig(refused?: { readonly text: string }, farmsLater = false) {
  const taken: string[] = [];
  const said: string[] = [];
  let set = false;
  const driver = createNftables({
    farmsLater,
    nft: {
      async run(commands) {
        said.push(`nft ${commands.split('\n').length}`);
        const ok = refused === undefined || !commands.includes(refused.text);
        if (ok) taken.push(commands);
        return { ok, output: '', error: ok ? '' : 'refused' };
      },
      // There is a table, for one that asks whether it is still there, once it was put in.
      json: async () =>
        set
          ? {
              nftables: [
                { map: {} },
                { set: {} },
                { chain: { family: 'inet', table: TABLE.split(' ')[1], name: `layout-${LAYOUT}-9747` } },
              ],
            }
          : undefined,
      close: () => {},
    },
    batches: {
      async commit({ last }) {
        said.push(`batch ${last}`);
        for (let turn = 0; turn < 10; turn++) await Promise.resolve();
        said.push('done');
        return refused === undefined ? '' : 'netlink: refused';
      },
      close: () => {},
    },
    sysctl: { read: () => undefined, write: () => true, list: () => [] } as unknown as Sysctl,
    routes: { start: async () => {}, problems: () => [] } as unknown as Routes,
    log: recordingLog(),
  });
  await driver.apply(wanted([]));
  set = true;
  said.length = 0;
  return { driver, said, taken };
}

test('many farms are told of in parts, each once it is there, while the next transaction is under way', async () => {
  const { driver, said } = await rig();
  const parts: number[] = [];
  const { reached, problems } = await driver.apply(wanted(FARMS), async part => {
    said.push('part');
    parts.push(part.size);
  });
  expect(problems).toEqual([]);
  expect(parts).toEqual([334, 668]);
  expect([...reached.keys()].sort()).toEqual(FARMS.map(({ key }) => key).sort());
  const words = said.map(each => each.split(' ')[0]);
  expect(words).toEqual(['batch', 'done', 'batch', 'part', 'done', 'batch', 'part', 'done']);
});

test('a farm that the kernel refuses takes no other with it, nor what was planned ahead', async () => {
  const first = [...wanted(FARMS).farms.keys()][0]!;
  const bad = FARMS.find(({ key }) => key === first)!;
  const refused = { text: ` ${bad.vip} ` };
  const { driver, taken } = await rig(refused);
  const { reached, problems } = await driver.apply(wanted(FARMS), async () => {});
  expect(problems).toEqual([`farm ${bad.key}: refused`]);
  const rest: FarmKey[] = FARMS.filter(each => each !== bad).map(({ key }) => key);
  expect([...reached.keys()].sort()).toEqual(rest.sort());
  refused.text = 'nothing';
  taken.length = 0;
  expect((await driver.apply(wanted(FARMS))).reached.size).toBe(FARMS.length);
  expect(taken.filter(text => text.includes(` ${bad.vip} `))).toHaveLength(1);
});

test('the part of the table that farms want comes at once, or with the first farm and in its transaction', async () => {
  const farms = FARMS.slice(0, 2);
  const part = 'chain direct_dispatch {';
  expect((await rig()).taken.map(text => text.includes(part))).toEqual([true]);

  const refused = { text: part };
  const { driver, taken } = await rig(refused, true);
  expect(taken.map(text => text.includes(part))).toEqual([false]);
  expect((await driver.apply(wanted([]))).problems).toEqual([]);
  // What was refused is tried again.
  expect((await driver.apply(wanted(farms))).reached.size).toBe(0);
  expect(taken).toHaveLength(1);
  refused.text = 'nothing';
  expect((await driver.apply(wanted(farms))).reached.size).toBe(2);
  expect(taken).toHaveLength(2);
  expect(taken[1]).toContain(part);
  expect(taken[1]).toContain(` ${farms[0]!.vip} `);
  await driver.apply(wanted([]));
  expect(taken.slice(2).join()).not.toContain(part);
});
