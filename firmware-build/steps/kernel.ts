/**
 * The kernel: of Debian's package only the image and the modules that the profile keeps, with what those depend on.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Build, between, packagesOf, rootOf } from '../build.ts';
import { dependenciesOf, keptModules } from '../formats/modules.ts';
import { run } from './run.ts';

export interface Kernel {
  /** As `uname -r` says it. */
  readonly release: string;
  /** The image's file (on x86 and arm64 an EFI program). */
  readonly image: string;
}

/** Puts the kept modules into the root, and tells where the kernel itself lies. */
export function installKernel(build: Build): Kernel {
  const choice = build.profile.kernel;
  if (choice === undefined) throw new Error(`profile ${build.profile.name} has no kernel`);
  const packages = packagesOf(build);
  const file = readdirSync(packages).find(name => name.startsWith('linux-image-'));
  if (file === undefined)
    throw new Error(`no kernel package in ${packages}: ${choice.package} was not found`);
  const unpacked = between(build, 'kernel');
  rmSync(unpacked, { recursive: true, force: true });
  run('dpkg-deb', ['-x', `${packages}/${file}`, unpacked]);
  const release = readdirSync(`${unpacked}/lib/modules`)[0] ?? '';
  const modules = `${unpacked}/lib/modules/${release}`;
  run('depmod', ['-b', unpacked, release]);
  const depends = dependenciesOf(readFileSync(`${modules}/modules.dep`, 'utf8'));
  const target = `${rootOf(build)}/usr/lib/modules/${release}`;
  for (const path of keptModules(depends, choice)) {
    mkdirSync(dirname(`${target}/${path}`), { recursive: true });
    cpSync(`${modules}/${path}`, `${target}/${path}`);
  }
  for (const name of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order'])
    cpSync(`${modules}/${name}`, `${target}/${name}`);
  run('depmod', ['-b', rootOf(build), release]);
  return { release, image: `${unpacked}/boot/vmlinuz-${release}` };
}
