/**
 * Whenever the power goes during an update, and whatever of what was not flushed reached the disk: the box starts, without a kernel that hangs,
 * either what ran before or the new image whole; and the update can be done again.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Entry, readEntry, type Slot } from '../../appliance/box/entries.ts';
import type { PartName } from '../../appliance/box/manifest.ts';
import { sourceOf } from '../../appliance/box/tar.ts';
import { runUpdate } from '../../appliance/box/update.ts';
import type { UpdateFile } from '../../appliance/box/update-file.ts';
import { planUpdate } from '../../appliance/box/update-plan.ts';
import { ModelDisk, PowerCut, start } from '../support/box-disk.ts';

const SIZES = { 'root.squashfs': 2048, 'root.verity': 1024, uki: 2560 };
const versionOf = (number: number): string => `0.1.${number}+202611210847.d2f8804`;

/** Bytes that tell which part of which version they are, sector by sector. */
function content(what: string, number: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 512)
    bytes.set(new TextEncoder().encode(`${what === 'uki' ? 'MZ' : ''} ${what} ${number} ${at}`), at);
  return bytes;
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const digest = () => {
  const sum = createHash('sha256');
  return { update: (bytes: Uint8Array) => void sum.update(bytes), hex: () => sum.digest('hex') };
};

function imageOf(number: number): UpdateFile {
  const parts = {
    'root.squashfs': content('root', number, SIZES['root.squashfs']),
    'root.verity': content('verity', number, SIZES['root.verity']),
    'uki-a.efi': content('uki', number, SIZES.uki),
    'uki-b.efi': content('uki', number, SIZES.uki),
  };
  return {
    manifest: {
      profile: 'test',
      version: versionOf(number),
      parts: Object.fromEntries(
        Object.entries(parts).map(([name, bytes]) => [name, { size: bytes.length, sha256: hash(bytes) }]),
      ) as UpdateFile['manifest']['parts'],
    },
    part: (name: PartName) => sourceOf(parts[name]),
  };
}

/** A box that runs image 1 in slot a; image 0 is in slot b, or nothing. */
function boxOf(full: boolean): ModelDisk {
  const disk = new ModelDisk({ 'root-a': 4096, 'verity-a': 2048, 'root-b': 4096, 'verity-b': 2048 });
  const put = (slot: Slot, generation: number, number: number): void => {
    const { manifest, part } = imageOf(number);
    for (const [label, name] of [
      [`root-${slot}`, 'root.squashfs'],
      [`verity-${slot}`, 'root.verity'],
    ] as const) {
      const region = disk.partition(label);
      region.write(0, part(name).read(0, 1e6));
      region.flush();
    }
    const uki = part('uki-a.efi').read(0, 1e6);
    const region = disk.makeEntry(`bivouac-000${generation}-${manifest.version}-${slot}.efi`, uki.length);
    region.write(0, uki);
    region.flush();
  };
  if (full) put('b', 1, 0);
  put('a', 2, 1);
  disk.flushEntries();
  disk.operations = 0;
  return disk;
}

const kernelOf = (bytes: Uint8Array): string | undefined =>
  [0, 1, 2, 3]
    .map(number => [content('uki', number, SIZES.uki), versionOf(number)] as const)
    .find(([whole]) => hash(whole) === hash(bytes))?.[1];

function verifies(disk: ModelDisk, slot: Slot, version: string): boolean {
  const number = [0, 1, 2, 3].find(candidate => versionOf(candidate) === version)!;
  return (['root', 'verity'] as const).every(what => {
    const size = SIZES[what === 'root' ? 'root.squashfs' : 'root.verity'];
    return hash(disk.partition(`${what}-${slot}`).read(0, size)) === hash(content(what, number, size));
  });
}

/** What runs in the end when each image that is not healthy is given up. */
function settle(disk: ModelDisk, healthy: (version: string) => boolean): Entry | string {
  const failed = new Set<string>();
  for (let starts = 0; starts < 4; starts++) {
    const started = start(disk, kernelOf, (slot, version) => verifies(disk, slot, version), failed);
    if (started === undefined) return 'nothing to start';
    if (started === 'hangs') return 'hangs';
    if (!started.verified) return `${started.entry.name} is started and does not verify`;
    if (healthy(started.entry.version)) return started.entry;
    if (started.entry.left === undefined) return `${started.entry.name} was good, and fails`;
    failed.add(started.entry.name);
  }
  return 'no end';
}

function update(disk: ModelDisk, number: number): void {
  const entries = disk
    .entries()
    .map(readEntry)
    .filter(entry => entry !== undefined);
  const plan = planUpdate('a', entries, { version: versionOf(number) });
  if (typeof plan === 'string') throw new Error(plan);
  runUpdate(plan, imageOf(number), disk, digest, () => {});
}

test('an update that is not disturbed runs, or the one of before if it is not healthy', () => {
  const disk = boxOf(true);
  update(disk, 2);
  expect(settle(disk, () => true)).toMatchObject({
    version: versionOf(2),
    slot: 'b',
    generation: 3,
    left: 3,
  });
  expect(settle(disk, version => version !== versionOf(2))).toMatchObject({
    version: versionOf(1),
    slot: 'a',
  });
});

test('power that goes at any operation leaves a box that starts, and that can be updated', () => {
  const count = (full: boolean): number => {
    const disk = boxOf(full);
    update(disk, 2);
    return disk.operations;
  };
  const operations = { full: count(true), empty: count(false) };
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.nat(),
      fc.boolean(),
      fc.infiniteStream(fc.boolean()),
      (full, when, good, coins) => {
        const disk = boxOf(full);
        disk.fuse = when % (full ? operations.full : operations.empty);
        expect(() => update(disk, 2)).toThrow(PowerCut);
        disk.restart(() => coins.next().value!);
        const running = settle(disk, version => good || version !== versionOf(2));
        expect(running).toHaveProperty('version');
        const { version } = running as Entry;
        expect(good ? [versionOf(1), versionOf(2)] : [versionOf(1)]).toContain(version);
        // Whoever runs slot a can do it over, whatever the first attempt has left.
        if (version === versionOf(1)) {
          update(disk, 3);
          expect(settle(disk, () => true)).toMatchObject({ version: versionOf(3) });
        }
      },
    ),
    { numRuns: 1500 },
  );
});

test('a slot on trial is not updated over what it would go back to', () => {
  const entries = [
    readEntry(`bivouac-0002-${versionOf(1)}-a+2-1.efi`)!,
    readEntry(`bivouac-0001-${versionOf(0)}-b.efi`)!,
  ];
  expect(planUpdate('a', entries, { version: versionOf(2) })).toContain('on trial');
});
