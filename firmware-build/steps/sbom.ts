/**
 * The bill of materials of a build: Debian's packages, the kernel, Node, and the npm packages in the bundle.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { type Build, packagesOf, rootOf } from '../build.ts';
import { type DebianPackage, installedPackages } from '../formats/dpkg-status.ts';
import { hexOf, type Lock, runtimePackages } from '../formats/npm-lock.ts';
import { type Component, spdxText } from '../formats/spdx.ts';
import { nodePackage, npmArchitecture } from './node.ts';
import { run } from './run.ts';
import { describe } from './update.ts';

/** The document about the image in `file`. */
export function billOf(build: Build, file: string): string {
  return spdxText({
    name: `bivouac-${build.profile.name}`,
    version: build.version,
    epoch: build.epoch,
    sha256: describe(readFileSync(file)).sha256,
    components: [...debian(build), ...npm(build)],
  });
}

function debian(build: Build): readonly Component[] {
  const status = readFileSync(`${rootOf(build)}/usr/share/bivouac/dpkg-status`, 'utf8');
  const kernels = readdirSync(packagesOf(build))
    .filter(name => /^(linux-image|systemd-boot-efi|raspi-firmware|u-boot-rpi)/.test(name))
    .map(name => run('dpkg-deb', ['--field', `${packagesOf(build)}/${name}`]))
    .map(text => `${text}Status: install ok installed`);
  return installedPackages([status, ...kernels].join('\n\n')).map(debianComponent);
}

const debianComponent = (one: DebianPackage): Component => ({
  name: one.name,
  version: one.version,
  purl: `pkg:deb/debian/${one.name}@${encodeURIComponent(one.version)}?arch=${one.architecture}&distro=bookworm&upstream=${one.source}@${encodeURIComponent(one.sourceVersion)}`,
  supplier: one.maintainer,
});

function npm(build: Build): readonly Component[] {
  const lock = JSON.parse(readFileSync(`${build.root}/package-lock.json`, 'utf8')) as Lock;
  const node = nodePackage(build);
  const platform = `@koromix/koffi-linux-${npmArchitecture(build.profile.architecture)}`;
  return [{ ...node, license: 'MIT' }, ...runtimePackages(lock, platform)].map(
    ({ name, version, integrity, license }) => ({
      name,
      version,
      purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
      license,
      sha512: integrity === undefined ? undefined : hexOf(integrity),
    }),
  );
}
