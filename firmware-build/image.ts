/**
 * From a profile to the files that people download: the steps, in their order.
 */
import type { KeyObject } from 'node:crypto';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import type { Build } from './build.ts';
import { layoutOf } from './formats/layout.ts';
import { type Weight, weightTable } from './formats/weights.ts';
import { installAddons } from './steps/addons.ts';
import { checkRoot } from './steps/check.ts';
import { makeContainer } from './steps/container.ts';
import { installDebian } from './steps/debian.ts';
import { makeDisk, makeState } from './steps/disk.ts';
import { makeEsp } from './steps/esp.ts';
import { finishRoot, slimRoot } from './steps/finish.ts';
import { enableForeign } from './steps/foreign.ts';
import { makeInitramfs } from './steps/initramfs.ts';
import { installKernel, type Kernel } from './steps/kernel.ts';
import { writeManifest } from './steps/manifest.ts';
import { installNode } from './steps/node.ts';
import { installProgram } from './steps/program.ts';
import { removeTree, run } from './steps/run.ts';
import { billOf } from './steps/sbom.ts';
import { makeSquashfs } from './steps/squash.ts';
import { makeKernelImages } from './steps/uki.ts';
import { makeUpdate, trustKey } from './steps/update.ts';
import { makeVerity } from './steps/verity.ts';
import { ownersOf, weighRoot } from './steps/weigh.ts';

/** Where a line of progress goes. */
type Say = (text: string) => void;

/** Runs a step and says how long it took. */
type Step = <Result>(name: string, work: () => Result) => Result;

const stepper =
  (say: Say): Step =>
  (name, work) => {
    const start = performance.now();
    const result = work();
    say(`  ${name.padEnd(28)}${((performance.now() - start) / 1000).toFixed(1).padStart(7)} s`);
    return result;
  };

/**
 * Builds the image and everything beside it into `build.out`, as `bivouac-<profile>-<version>.*`.
 *
 * @throws when a step fails, with what it said.
 */
export function makeImage(build: Build, key: KeyObject, say: Say): void {
  const { profile, version, out } = build;
  const step = stepper(say);
  say(`${profile.name} ${version}`);
  removeTree(build.work);
  for (const directory of [build.work, out]) mkdirSync(directory, { recursive: true });
  enableForeign(profile.architecture);
  step('packages of Debian', () => installDebian(build));
  const owners = ownersOf(build);
  step('node', () => installNode(build));
  step('native addons', () => installAddons(build));
  step('bivouac', () => installProgram(build));
  const kernel = profile.kernel && step('kernel modules', () => installKernel(build));
  step('settings', () => finishRoot(build));
  trustKey(build, key);
  const initramfs = kernel && step('initramfs', () => makeInitramfs(build, kernel));
  step('what is not needed goes', () => slimRoot(build));
  step('no secrets', () => checkRoot(build));
  const name = `${out}/bivouac-${profile.name}-${version}`;
  const packed =
    kernel && initramfs
      ? makeDiskImage(build, { kernel, initramfs, key, name, step })
      : step('container', () => makeContainer(build, name));
  writeFileSync(
    `${name}.spdx.json`,
    step('bill of materials', () => billOf(build, packed.download)),
  );
  const weights = step('weights', () => weighRoot(build, owners, packed.root));
  report(build, name, packed, weights, say);
  writeManifest(build, name, key);
}

/** What was made: the file that people download, bytes of the packed root, and other parts worth telling. */
export interface Packed {
  readonly download: string;
  readonly root: number;
  readonly parts: Readonly<Record<string, number>>;
}

/** Packs a finished root into disk image and update file. */
export function makeDiskImage(
  build: Build,
  made: {
    readonly kernel: Kernel;
    readonly initramfs: string;
    readonly key: KeyObject;
    readonly name: string;
    readonly step: Step;
  },
): Packed {
  const { kernel, initramfs, key, name, step } = made;
  const { sizes, architecture } = build.profile;
  if (sizes === undefined) throw new Error(`profile ${build.profile.name} has no sizes`);
  const squashfs = step('squashfs', () => makeSquashfs(build));
  const verity = step('verity', () => makeVerity(build, squashfs));
  const images = step('kernel images', () => makeKernelImages(build, kernel, initramfs, verity));
  const layout = layoutOf(sizes, architecture);
  const sectors = (wanted: string): number => layout.find(one => one.name === wanted)?.sectors ?? 0;
  const disk = step('disk', () =>
    makeDisk(build, layout, {
      esp: makeEsp(build, images.a, sectors('esp')),
      'root-a': squashfs,
      'verity-a': verity.file,
      state: makeState(build, sectors('state')),
    }),
  );
  run('cp', ['--sparse=always', disk, `${name}.img`]);
  const download = build.fast ? `${name}.img` : `${name}.img.zst`;
  if (!build.fast)
    step('compressed', () => run('zstd', ['-q', '-f', '-19', '-T4', '--long=27', disk, '-o', download]));
  step('update file', () => {
    const parts = {
      'uki-a.efi': images.a,
      'uki-b.efi': images.b,
      'root.verity': verity.file,
      'root.squashfs': squashfs,
    };
    writeFileSync(`${name}.update`, makeUpdate(build, parts, key));
  });
  const size = (file: string): number => statSync(file).size;
  return {
    download,
    root: size(squashfs),
    parts: {
      ...(!build.fast && { 'image compressed': size(download) }),
      image: size(disk),
      'update file': size(`${name}.update`),
      root: size(squashfs),
      verity: size(verity.file),
      kernel: size(kernel.image),
      initramfs: size(initramfs),
    },
  };
}

function report(build: Build, name: string, packed: Packed, weights: readonly Weight[], say: Say): void {
  const { goal } = build.profile;
  writeFileSync(
    `${name}.sizes.json`,
    `${JSON.stringify({ profile: build.profile.name, version: build.version, parts: packed.parts, weights }, null, 1)}\n`,
  );
  say('');
  for (const [part, bytes] of Object.entries(packed.parts))
    say(`${(bytes / 1e6).toFixed(1).padStart(8)} MB  ${part}`);
  say('');
  say(weightTable(weights, 25));
  const mega = statSync(packed.download).size / 1e6;
  if (goal !== undefined && !build.fast)
    say(
      `\n${packed.download}: ${mega.toFixed(1)} MB, goal ${goal.compressed} MB: ${mega <= goal.compressed ? 'met' : 'MISSED'}`,
    );
}
