/** The nftables driver beside a kernel that is told what to refuse. */
import { expect, test } from 'vitest';
import { createNftables } from '../../../appliance/dataplane/nftables.ts';
import type { Routes } from '../../../appliance/dataplane/routes.ts';
import type { Sysctl } from '../../../appliance/dataplane/sysctl.ts';
import type { Farm, FarmKey, WantedDataplane } from '../../../appliance/desired/wanted.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { address } from '../../../sdk/wire/address.ts';
import { recordingLog } from '../../support/virtual.ts';
import { farm, member } from './farms.ts';

/** 600 farms are three transactions. */
const FARMS = Array.from({ length: 600 }, (_, n) =>
  farm([member('10.1.0.11')], { vip: address(`10.50.${n >> 8}.${n & 255}`) }),
);
const wanted = (farms: readonly Farm[]): WantedDataplane => ({
  farms: Table.from(farms.map(each => [each.key, each] as const)),
  vips: Table.empty(),
  partings: Table.empty(),
});

/** A driver that has its table, and what it has said to the kernel since. `refuses`: text of nft that is refused. */
async function rig(refuses = /never/) {
  const said: string[] = [];
  let set = false;
  const driver = createNftables({
    nft: {
      async run(commands) {
        said.push(`nft ${commands.split('\n').length}`);
        const ok = !refuses.test(commands);
        return { ok, output: '', error: ok ? '' : 'refused' };
      },
      // There is a table, for one that asks whether it is still there, once it was put in.
      json: async () =>
        set ? { nftables: [{ chain: { family: 'inet', table: 'bivouac', name: 'x' } }] } : undefined,
      close: () => {},
    },
    batches: {
      async commit({ last }) {
        said.push(`batch ${last}`);
        for (let turn = 0; turn < 10; turn++) await Promise.resolve();
        said.push('done');
        return refuses.source === 'never' ? '' : 'netlink: refused';
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
  return { driver, said };
}

test('many farms are told of in parts, each once it is there, while the next transaction is under way', async () => {
  const { driver, said } = await rig();
  const parts: number[] = [];
  const { reached, problems } = await driver.apply(wanted(FARMS), async part => {
    said.push('part');
    parts.push(part.size);
  });
  expect(problems).toEqual([]);
  expect(parts).toEqual([250, 500]);
  expect([...reached.keys()].sort()).toEqual(FARMS.map(({ key }) => key).sort());
  const words = said.map(each => each.split(' ')[0]);
  expect(words).toEqual(['batch', 'done', 'batch', 'part', 'done', 'batch', 'part', 'done']);
});

test('a farm that the kernel refuses takes no other with it, nor what was planned ahead', async () => {
  const bad = FARMS.find(({ vip }) => vip === '10.50.0.7')!;
  const { driver } = await rig(/ 10\.50\.0\.7 /);
  const { reached, problems } = await driver.apply(wanted(FARMS), async () => {});
  expect(problems).toEqual([`farm ${bad.key}: refused`]);
  const rest: FarmKey[] = FARMS.filter(each => each !== bad).map(({ key }) => key);
  expect([...reached.keys()].sort()).toEqual(rest.sort());
});
