import { expect, test } from 'vitest';
import { bootOrder, newEntryName, nextGeneration, readEntry } from '../../../appliance/box/entries.ts';
import { readFacts } from '../../../appliance/box/facts.ts';
import { isCorrupt, isSteady, judgeHealth, readUnit } from '../../../appliance/box/health.ts';
import { planUpdate } from '../../../appliance/box/update-plan.ts';

const VERSION = '0.1.0+202611210847.d2f8804';
const entries = (...names: string[]) => names.map(name => readEntry(name)!);
const good = (generation: number, slot: string) => `bivouac-000${generation}-${VERSION}-${slot}.efi`;
const trial = (generation: number, slot: string, count = '+3') =>
  good(generation, slot).replace('.efi', `${count}.efi`);

test('file names are read with their counters, whatever FAT made of their case', () => {
  expect(readEntry(good(7, 'b'))).toEqual({
    ...{ name: good(7, 'b'), generation: 7, version: VERSION, slot: 'b', left: undefined, done: 0 },
  });
  expect(readEntry(trial(7, 'b', '+1-2').toUpperCase())).toMatchObject({
    generation: 7,
    version: VERSION,
    slot: 'b',
    left: 1,
    done: 2,
  });
  expect(readEntry(newEntryName(8, VERSION, 'a'))).toMatchObject({ generation: 8, slot: 'a', left: 3 });
  for (const name of ['x.efi', 'bivouac-7-x-a.efi', good(7, 'c'), `${good(7, 'a')}.bak`, ''])
    expect(readEntry(name)).toBeUndefined();
});

test('what was installed last is started first, and what failed last of all', () => {
  const sorted = bootOrder(entries(good(1, 'a'), trial(3, 'b', '+0-3'), trial(2, 'b')));
  expect(sorted.map(({ generation }) => generation)).toEqual([2, 1, 3]);
  expect(nextGeneration(sorted)).toBe(4);
  expect(nextGeneration([])).toBe(1);
  expect(() => nextGeneration(entries(good(1, 'a').replace('0001', '9999')))).toThrow('install the box anew');
});

test('a plan names its steps in their order', () => {
  const plan = planUpdate('b', entries(good(2, 'b'), good(1, 'a')), { version: VERSION });
  expect(plan).toEqual({
    slot: 'a',
    entry: trial(3, 'a'),
    steps: [
      { do: 'void', entry: good(1, 'a') },
      { do: 'remove', entry: good(1, 'a') },
      { do: 'flush-entries' },
      { do: 'write', part: 'root.squashfs', partition: 'root-a' },
      { do: 'write', part: 'root.verity', partition: 'verity-a' },
      { do: 'prepare', part: 'uki-a.efi', entry: trial(3, 'a') },
      { do: 'commit', part: 'uki-a.efi', entry: trial(3, 'a') },
    ],
  });
  expect(planUpdate('b', entries(good(1, 'a')), { version: VERSION })).toContain('slot b has no entry');
});

const HEALTHY = { steady: true, corrupt: false };
const SICK = { steady: false, corrupt: false };

test('a new image that gets ready loses its counter; one that does not is given up', () => {
  const both = entries(good(1, 'a'), trial(2, 'b', '+2-1'));
  expect(judgeHealth('b', both, HEALTHY)).toMatchObject({
    do: 'bless',
    rename: { from: trial(2, 'b', '+2-1'), to: good(2, 'b') },
  });
  expect(judgeHealth('b', both, SICK)).toMatchObject({ do: 'reboot' });
  expect(judgeHealth('a', both, HEALTHY)).toEqual({ do: 'bless', reason: 'the manager is ready' });
});

test('an image that was good before is not given up for a manager that does not get ready, but for a damaged root', () => {
  const both = entries(good(1, 'a'), good(2, 'b'));
  expect(judgeHealth('b', both, SICK)).toMatchObject({ do: 'stay' });
  expect(judgeHealth('b', both, { steady: true, corrupt: true })).toMatchObject({ do: 'reboot' });
  expect(judgeHealth('b', entries(good(2, 'b')), { steady: true, corrupt: true })).toMatchObject({
    do: 'bless',
  });
  expect(judgeHealth('b', entries(trial(2, 'b')), SICK)).toMatchObject({ do: 'stay' });
  expect(judgeHealth('b', entries(trial(2, 'b'), trial(1, 'a', '+0-3')), SICK)).toMatchObject({ do: 'stay' });
});

test('a manager is steady once it has been ready for a while', () => {
  const unit = readUnit('ActiveState=active\nNRestarts=2\nActiveEnterTimestampMonotonic=41000000\n');
  expect(unit).toEqual({ active: 'active', restarts: 2, since: 41_000 });
  expect(isSteady(unit, 41_500)).toBe(false);
  expect(isSteady(unit, 45_000)).toBe(true);
  expect(isSteady(readUnit('ActiveState=activating\n'), 45_000)).toBe(false);
  expect(isSteady(readUnit(''), 45_000)).toBe(false);
});

test('what dm-verity says of the root', () => {
  expect(isCorrupt('0 153600 verity C\n')).toBe(true);
  expect(isCorrupt('0 153600 verity V\n')).toBe(false);
  expect(isCorrupt('')).toBe(false);
});

test('a box knows itself by os-release and the command line', () => {
  const release = `PRETTY_NAME="Bivouac"\nID=bivouac\nIMAGE_ID=x86_64-uefi\nVERSION_ID="${VERSION}"\n`;
  expect(readFacts(release, 'ro bivouac.slot=b panic=10\n')).toEqual({
    profile: 'x86_64-uefi',
    version: VERSION,
    slot: 'b',
  });
  expect(readFacts(release, 'ro')).toBeUndefined();
  expect(readFacts('ID=debian\n', 'bivouac.slot=a')).toBeUndefined();
  expect(readFacts(undefined, undefined)).toBeUndefined();
});
