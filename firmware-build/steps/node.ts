/**
 * The Node program, from npm's own package of it, which also holds the headers that addons are built with.
 */
import { type Build, between, rootOf } from '../build.ts';
import type { Architecture } from '../profile.ts';
import { fetchNpm, unpackNpm } from './npm-package.ts';
import { run } from './run.ts';

/** npm's and gyp's name of an architecture. */
export const npmArchitecture = (architecture: Architecture): 'x64' | 'arm64' =>
  architecture === 'amd64' ? 'x64' : 'arm64';

/** Programs of binutils for an architecture. */
export const binutils = (architecture: Architecture, program: string): string =>
  architecture === 'amd64' && process.arch === 'x64'
    ? program
    : `${architecture === 'amd64' ? 'x86_64' : 'aarch64'}-linux-gnu-${program}`;

/** npm's package of the profile's Node. */
export const nodePackage = ({ profile: { architecture, node } }: Build) => ({
  name: `node-linux-${npmArchitecture(architecture)}`,
  ...node,
});

/** Where Node's package lies unpacked. */
export const nodeHome = (build: Build): string => between(build, 'node');

/** Puts the program, without its symbols, into the root. */
export function installNode(build: Build): void {
  const { profile, cache } = build;
  unpackNpm(fetchNpm(nodePackage(build), cache), nodeHome(build), ['bin/node', 'include', 'LICENSE']);
  const to = `${rootOf(build)}/usr/bin/node`;
  run(binutils(profile.architecture, 'strip'), ['-o', to, `${nodeHome(build)}/bin/node`]);
  run('install', [
    '-D',
    '-m',
    '644',
    `${nodeHome(build)}/LICENSE`,
    `${rootOf(build)}/usr/share/doc/node/copyright`,
  ]);
}
