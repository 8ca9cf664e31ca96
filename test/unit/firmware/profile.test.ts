/** Profiles: those there are, and what is said of those that are wrong. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ProfileError, parseProfile } from '../../../firmware-build/profile.ts';

const directory = new URL('../../../firmware-build/profiles/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(`${name}.json`, directory), 'utf8');
const names = readdirSync(directory)
  .map(file => file.replace('.json', ''))
  .filter(name => name !== 'base');

/** A profile with some of its values changed (undefined takes one out), as text with a line for each key. */
const changed = (name: string, change: object): string =>
  JSON.stringify({ ...(JSON.parse(read(name)) as object), ...change }, undefined, 1);

const faultsOf = (text: string, base = read('base')): string => {
  try {
    parseProfile('x', text, base);
    return '';
  } catch (error) {
    expect(error).toBeInstanceOf(ProfileError);
    return (error as Error).message;
  }
};

test('the four of issue 5 are there', () => {
  expect(names.sort()).toEqual(['arm64-uefi', 'container', 'raspberry-pi', 'x86_64-uefi']);
});

test.each(names)('%s is valid, and has what the program needs', name => {
  const profile = parseProfile(name, read(name), read('base'));
  expect(profile.packages).toEqual(
    expect.arrayContaining(['frr', 'nftables', 'ipvsadm', 'conntrack', 'dnsmasq-base', 'libpcap0.8']),
  );
  expect(profile.packages).toEqual([...profile.packages].sort());
  // Left out until asked for.
  expect(profile.packages).not.toContain('keepalived');
  expect(profile.kernel === undefined).toBe(profile.board === 'container');
  expect(profile.sizes === undefined).toBe(profile.board === 'container');
});

test('what all have in common comes before what is a profile’s own', () => {
  const own = changed('x86_64-uefi', { remove: ['usr/games'] });
  const profile = parseProfile('x', own, read('base'));
  expect(profile.remove.at(-1)).toBe('usr/games');
  expect(profile.remove.length).toBeGreaterThan(10);
  expect(profile.kernel?.keep).toContain('drivers/virtio');
  expect(profile.kernel?.initramfs).toContain('dm_verity');
});

test.each([
  ['an unknown key', { colour: 'red' }, /x\.json:\d+: unknown key 'colour': one of .*architecture/],
  [
    'an architecture there is none of',
    { architecture: 'mips' },
    /\/architecture: "mips" must be one of amd64, arm64/,
  ],
  ['no packages', { packages: undefined }, /'packages' is missing/],
  [
    'a name that is an option',
    { packages: ['--help'] },
    /\/packages\/0: '--help' is no name of a Debian package/,
  ],
  ['a package of all images', { packages: ['frr'] }, /\/packages\/0: 'frr' is in base\.json already/],
  ['a path outside', { remove: ['/etc'] }, /\/remove\/0: '\/etc' must be a path below the root/],
  ['a path upward', { remove: ['usr/../../etc'] }, /\/remove\/0: .* must be a path below the root/],
  [
    'a path with a command in it',
    { remove: ['usr/$(reboot)'] },
    /\/remove\/0: .* must be a path below the root/,
  ],
  ['a disk without sizes', { sizes: undefined }, /'sizes' is missing/],
  [
    'a partition of no size',
    { sizes: { esp: 0, root: 1, verity: 1, state: 32 } },
    /\/sizes\/esp: 0 must be >= 40/,
  ],
  ['a version that floats', { node: { version: '24', integrity: 'x' } }, /\/node\/version: "24" must match/],
])('%s is said with its line', (_, change, sentence) => {
  expect(faultsOf(changed('x86_64-uefi', change))).toMatch(sentence);
});

test('every fault is told at once, those of base.json by its name', () => {
  const base = JSON.stringify({ ...(JSON.parse(read('base')) as object), suite: 'BOOK WORM', keep: ['/x'] });
  const said = faultsOf(read('container'), base);
  expect(said.split('\n').length).toBe(2);
  expect(said).toMatch(/^base\.json:1: \/suite/m);
});

test('a text that is no JSON is a fault as well', () => {
  expect(faultsOf('{"about": ')).toMatch(/^x\.json:1: not JSON/);
});
