/** What the image builder decides: versions, partitions, modules, bills of materials, weights. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compareVersions, isVersion } from '../../../appliance/box/version.ts';
import { installedPackages } from '../../../firmware-build/formats/dpkg-status.ts';
import { diskSize, layoutOf, SECTOR } from '../../../firmware-build/formats/layout.ts';
import {
  dependenciesOf,
  keptModules,
  moduleName,
  modulesByName,
} from '../../../firmware-build/formats/modules.ts';
import { hexOf, type Lock, runtimePackages } from '../../../firmware-build/formats/npm-lock.ts';
import { spdxText } from '../../../firmware-build/formats/spdx.ts';
import { weigh, weightTable } from '../../../firmware-build/formats/weights.ts';
import { readOptions, UsageError } from '../../../firmware-build/options.ts';
import { APPLETS } from '../../../firmware-build/steps/initramfs.ts';
import { identityOf } from '../../../firmware-build/steps/verity.ts';
import { imageVersion } from '../../../firmware-build/version.ts';

const MIB = 1024 * 1024;

describe('versions', () => {
  const commit = { time: 1795250621, hash: 'd2f8804', dirty: false };

  test('sort as they were committed, and the box understands them', () => {
    const older = imageVersion('0.1.0', commit);
    const newer = imageVersion('0.1.0', { ...commit, time: commit.time + 60, hash: '0000001' });
    expect(older).toBe('0.1.0+202611210843.d2f8804');
    expect(compareVersions(older, newer)).toBeLessThan(0);
  });

  test('a tree that is not as committed says so', () => {
    const version = imageVersion('0.1.0', { ...commit, dirty: true });
    expect(version).toBe('0.1.0+202611210843.d2f8804.dirty');
    expect(isVersion(version)).toBe(true);
  });
});

describe('the disk', () => {
  const sizes = { esp: 96, root: 192, verity: 4, state: 64 };
  const layout = layoutOf(sizes, 'amd64');

  test('has two slots, and the state last so that it can grow', () => {
    expect(layout.map(({ name }) => name)).toEqual([
      'esp',
      'root-a',
      'verity-a',
      'root-b',
      'verity-b',
      'state',
    ]);
  });

  test('has partitions on boundaries of 1 MiB, one after the other, and room for both tables', () => {
    for (const [index, { start, sectors }] of layout.entries()) {
      expect((start * SECTOR) % MIB).toBe(0);
      const next = layout[index + 1];
      if (next) expect(start + sectors).toBe(next.start);
    }
    expect(diskSize(layout)).toBe((1 + 96 + 2 * (192 + 4) + 64 + 1) * MIB);
  });

  test('has types by which tools know the architecture', () => {
    const types = (architecture: 'amd64' | 'arm64'): Set<string> =>
      new Set(layoutOf(sizes, architecture).map(({ type }) => type));
    expect(types('amd64').size).toBe(4);
    expect([...types('amd64')].filter(type => types('arm64').has(type)).length).toBe(2);
  });

  test('has identities that hang on their words alone', () => {
    expect(identityOf('disk', 'x')).toBe(identityOf('disk', 'x'));
    expect(identityOf('disk', 'x')).not.toBe(identityOf('diskx'));
    expect(identityOf('disk', 'x')).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });
});

describe('modules', () => {
  const depends = dependenciesOf(
    'kernel/net/sctp/sctp.ko: kernel/lib/crc.ko\nkernel/lib/crc.ko:\nkernel/net/can/can.ko:\nkernel/drivers/md/dm-mod.ko:\nkernel/drivers/md/dm-verity.ko: kernel/drivers/md/dm-mod.ko\n',
  );

  test('are kept by path, with what they depend on, wherever that lies', () => {
    expect(keptModules(depends, { keep: ['net'], drop: ['net/can'] })).toEqual([
      'kernel/lib/crc.ko',
      'kernel/net/sctp/sctp.ko',
    ]);
    // A prefix is a whole part of the path.
    expect(keptModules(depends, { keep: ['net/sct'], drop: [] })).toEqual([]);
    expect(keptModules(depends, { keep: ['net/can/can.ko'], drop: [] })).toEqual(['kernel/net/can/can.ko']);
  });

  test('are found by name, however their file is written', () => {
    expect(moduleName('kernel/drivers/md/dm-verity.ko.xz')).toBe('dm_verity');
    expect(modulesByName(['dm_verity', 'not_there'], depends)).toEqual([
      'kernel/drivers/md/dm-mod.ko',
      'kernel/drivers/md/dm-verity.ko',
    ]);
  });
});

describe('the bill of materials', () => {
  const status = `Package: libb
Status: install ok installed
Architecture: amd64
Source: srcb (1.0-1)
Version: 1.0-1+b2
Maintainer: Somebody <s@debian.org>
Description: b
 more of it
 Version: not this

Package: gone
Status: deinstall ok config-files
Version: 3

Package: a
Status: install ok installed
Architecture: all
Version: 2:5
`;

  test('takes what dpkg has installed, with the source that advisories speak of', () => {
    expect(installedPackages(status)).toEqual([
      {
        name: 'a',
        version: '2:5',
        architecture: 'all',
        source: 'a',
        sourceVersion: '2:5',
        maintainer: undefined,
      },
      {
        name: 'libb',
        version: '1.0-1+b2',
        architecture: 'amd64',
        source: 'srcb',
        sourceVersion: '1.0-1',
        maintainer: 'Somebody <s@debian.org>',
      },
    ]);
  });

  const lock: Lock = {
    packages: {
      '': { dependencies: { x: '1', y: '1' } },
      'node_modules/x': { version: '1.0.0', integrity: 'sha512-AAEC', dependencies: { z: '^1' } },
      'node_modules/x/node_modules/z': { version: '1.5.0', dependencies: { y: '1' } },
      'node_modules/y': { version: '1.1.0', license: 'MIT' },
      'node_modules/z': { version: '2.0.0' },
      'node_modules/tool': { version: '9.0.0', dev: true },
      'node_modules/@k/linux-x64': { version: '3.0.0' },
      'node_modules/@k/linux-arm64': { version: '3.0.0' },
    },
  };

  test('takes what the program depends on, the version that Node would find, and one platform', () => {
    expect(runtimePackages(lock, '@k/linux-x64').map(({ name, version }) => `${name}@${version}`)).toEqual([
      '@k/linux-x64@3.0.0',
      'x@1.0.0',
      'y@1.1.0',
      'z@1.5.0',
    ]);
    expect(hexOf('sha512-AAEC')).toBe('000102');
  });

  test('is SPDX with one relation for each package, and the same for the same', () => {
    const bill = {
      name: 'bivouac-x',
      version: '0.1.0+1',
      epoch: 1795250621,
      sha256: 'ab'.repeat(32),
      components: [
        { name: 'libstdc++6', version: '1', purl: 'pkg:deb/debian/libstdc%2B%2B6@1' },
        {
          name: '@k/linux-x64',
          version: '2',
          purl: 'pkg:npm/%40k/linux-x64@2',
          license: 'MIT',
          sha512: 'cd',
        },
      ],
    };
    const text = spdxText(bill);
    expect(spdxText(bill)).toBe(text);
    const { spdxVersion, creationInfo, packages, relationships } = JSON.parse(text) as {
      spdxVersion: string;
      creationInfo: { created: string };
      packages: { SPDXID: string; licenseDeclared: string }[];
      relationships: { relatedSpdxElement: string }[];
    };
    expect(spdxVersion).toBe('SPDX-2.3');
    expect(creationInfo.created).toBe('2026-11-21T08:43:41Z');
    expect(packages.map(({ licenseDeclared }) => licenseDeclared)).toEqual([
      'NOASSERTION',
      'NOASSERTION',
      'MIT',
    ]);
    for (const { SPDXID } of packages) expect(SPDXID).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
    expect(relationships.map(one => one.relatedSpdxElement)).toEqual(
      packages.slice(1).map(one => one.SPDXID),
    );
  });
});

describe('weights', () => {
  const files = [
    { path: 'usr/bin/a', size: 100, packed: 30 },
    { path: 'usr/bin/b', size: 300, packed: 60 },
    { path: 'usr/lib/c', size: 50, packed: 10 },
  ];
  const weights = weigh(files, path => (path.startsWith('usr/bin') ? 'tools' : 'lib'), 50_000_000);

  test('are summed by owner and scaled to the whole', () => {
    expect(weights).toEqual([
      { name: 'tools', size: 400, packed: 45_000_000 },
      { name: 'lib', size: 50, packed: 5_000_000 },
    ]);
  });

  test('are a table with the rest and the sum', () => {
    expect(weightTable(weights, 1).split('\n').slice(1)).toEqual([
      '    45.0        0.0  tools',
      '     5.0        0.0  1 others',
      '    50.0        0.0  all',
    ]);
  });
});

describe('scripts', () => {
  test.each(['initramfs/init', 'initramfs/boot-good', 'container/start'])('%s has no syntax error', name => {
    const file = new URL(`../../../firmware-build/${name}`, import.meta.url).pathname;
    const { status, stderr } = spawnSync('sh', ['-n', file], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('of the initramfs only call what is in it', () => {
    const file = new URL('../../../firmware-build/initramfs/init', import.meta.url);
    // Without comments and quoted words; a command is what begins a line, or follows an operator or one of the shell's words.
    const text = readFileSync(file, 'utf8')
      .replace(/^\s*#.*$/gm, '')
      .replace(/'[^']*'|"[^"]*"/g, 'QUOTED')
      .replace(/\b(then|do|if|!)\s/g, ';');
    const called = [...text.matchAll(/(?:^|[|&;(])\s*([a-z_0-9]+)(?= [^)=]|$)/gm)].map(
      match => match[1] ?? '',
    );
    const own = [...text.matchAll(/^(\w+)\(\)/gm)].map(match => match[1] ?? '');
    const shell = 'export for case esac echo break continue exec fi return done while tried disk'.split(' ');
    const unknown = called.filter(word => ![...APPLETS, 'dmsetup', ...own, ...shell].includes(word));
    expect(called.length).toBeGreaterThan(20);
    expect(unknown).toEqual([]);
  });
});

describe('the command line', () => {
  test('names one profile', () => {
    expect(
      readOptions(['container', '--kernel-argument', 'a=1', '--kernel-argument', 'b', '--twice']),
    ).toMatchObject({
      profile: 'container',
      kernelArguments: ['a=1', 'b'],
      twice: true,
      fast: false,
    });
    expect(readOptions(['--help'])).toBe('help');
  });

  test.each([[[]], [['a', 'b']], [['a', '--colour']]])('%j is not understood', words => {
    expect(() => readOptions(words)).toThrow(UsageError);
  });
});
