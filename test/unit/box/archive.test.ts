import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { readManifest } from '../../../appliance/box/manifest.ts';
import { readTar, sourceOf, writeTar } from '../../../appliance/box/tar.ts';
import { openUpdate } from '../../../appliance/box/update-file.ts';
import { compareVersions, isVersion } from '../../../appliance/box/version.ts';
import { verify } from '../../../appliance/host/keys.ts';

const LIMITS = { entries: 16, size: 1 << 20 };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('what is written is read, and tar(1) writes what is read', () => {
  const files = [
    { name: 'manifest.json', bytes: bytes('{}') },
    { name: 'root.squashfs', bytes: new Uint8Array(1025).fill(7) },
    { name: 'empty', bytes: new Uint8Array() },
  ];
  const archive = writeTar(files);
  const read = readTar(sourceOf(archive), LIMITS);
  expect(read.map(({ name, size }) => [name, size])).toEqual([
    ['manifest.json', 2],
    ['root.squashfs', 1025],
    ['empty', 0],
  ]);
  const { offset, size } = read[1]!;
  expect(archive.subarray(offset, offset + size)).toEqual(files[1]!.bytes);
});

/** An archive of one file, whose header is altered and gets its checksum anew. */
function altered(change: (header: Uint8Array) => void): Uint8Array {
  const archive = writeTar([{ name: 'a', bytes: new Uint8Array(600) }]);
  change(archive);
  const sum = archive
    .subarray(0, 512)
    .reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 32 : byte), 0);
  archive.set(bytes(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return archive;
}
const put = (offset: number, text: string) => (header: Uint8Array) => header.set(bytes(text), offset);

test.each([
  ['a way out of the directory', put(0, '../etc/passwd'), /a name that is not plain/],
  ['a directory in its name', put(0, 'a/b'), /a name that is not plain/],
  ['a hidden name', put(0, '.a'), /a name that is not plain/],
  ['a prefix', put(345, 'x'), /a name that is not plain/],
  ['a symbolic link', put(156, '2'), /a is no plain file/],
  ['a pax header', put(156, 'x'), /a is no plain file/],
  ['a size beyond the limit', put(124, '77777777777'), /a is larger/],
  ['a negative size', put(124, '-0000000001'), /a is larger/],
  ['a size in base 256', (header: Uint8Array) => header.fill(0xff, 124, 136), /a is larger/],
  ['a size beyond the end', put(124, '00000100000'), /a is cut off/],
])('%s is refused', (_, change, fault) => {
  expect(() => readTar(sourceOf(altered(change)), LIMITS)).toThrow(fault);
});

test('what ends early, is not whole, stands twice or is too much is refused', () => {
  const one = { name: 'a', bytes: bytes('x') };
  const archive = writeTar([one]);
  expect(() => readTar(sourceOf(archive.subarray(0, 1024)), LIMITS)).toThrow('it ends early at byte 1024');
  expect(() => readTar(sourceOf(archive.map((byte, at) => (at === 5 ? 1 : byte))), LIMITS)).toThrow(
    'no header',
  );
  expect(() => readTar(sourceOf(writeTar([one, one])), LIMITS)).toThrow('a stands a second time');
  const many = Array.from({ length: 17 }, (_, at) => ({ ...one, name: `a${at}` }));
  expect(() => readTar(sourceOf(writeTar(many)), LIMITS)).toThrow('more than 16 files');
  expect(() => writeTar([{ name: '../a', bytes: bytes('') }])).toThrow('no plain file name');
});

test('versions go by program, then by time; the commit does not count', () => {
  const order = [
    '0.1.0+202611210847.d2f8804',
    '0.1.0+202611210848.0000000',
    '0.1.1+202601010000.abcdef0',
    '0.10.0+202601010000.abcdef0',
  ];
  for (const [at, version] of order.entries())
    for (const [other, another] of order.entries())
      expect(Math.sign(compareVersions(version, another))).toBe(Math.sign(at - other));
  expect(compareVersions('0.1.0+202611210847.d2f8804', '0.1.0+202611210847.aaaaaaa')).toBe(0);
  expect(['', '1.2', '1.2.3', '1.2.3+1.abcdef', '1.2.3+202611210847.d2f/804'].filter(isVersion)).toEqual([]);
  expect(() => compareVersions('x', order[0]!)).toThrow("'x' is no version");
});

const VERSION = '0.2.0+202611210847.d2f8804';
const BOX = { profile: 'x86_64-uefi', version: '0.1.0+202611210847.d2f8804' };
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const trusted = {
  keys: [new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }))],
  verify,
  digest: () => {
    const hash = createHash('sha256');
    return { update: (part: Uint8Array) => void hash.update(part), hex: () => hash.digest('hex') };
  },
};

/** An update, with what is said of it altered before it is signed, or its files afterwards. */
function update(
  manifest: (honest: Record<string, unknown>) => Record<string, unknown> = honest => honest,
  files: (honest: Map<string, Uint8Array>) => void = () => {},
): Uint8Array {
  const parts = new Map(
    ['uki-a.efi', 'uki-b.efi', 'root.verity', 'root.squashfs'].map(name => [
      name,
      new Uint8Array(3000).fill(name.length),
    ]),
  );
  const text = JSON.stringify(
    manifest({
      format: 1,
      profile: BOX.profile,
      version: VERSION,
      parts: Object.fromEntries(
        [...parts].map(([name, part]) => [
          name,
          { size: part.length, sha256: createHash('sha256').update(part).digest('hex') },
        ]),
      ),
    }),
  );
  const all = new Map<string, Uint8Array>([
    ['manifest.json', bytes(text)],
    ['manifest.sig', new Uint8Array(sign(null, bytes(text), privateKey))],
    ...parts,
  ]);
  files(all);
  return writeTar([...all].map(([name, content]) => ({ name, bytes: content })));
}

test('an update that is signed, whole and for this box is taken', () => {
  const { manifest, part } = openUpdate(sourceOf(update()), trusted, BOX, false);
  expect(manifest.version).toBe(VERSION);
  expect(part('root.squashfs').read(2990, 100)).toHaveLength(10);
});

test.each([
  [
    'another signer',
    undefined,
    (files: Map<string, Uint8Array>) => files.set('manifest.sig', new Uint8Array(64)),
    /not signed by a key/,
  ],
  [
    'a signature that is too long',
    undefined,
    (files: Map<string, Uint8Array>) => files.set('manifest.sig', new Uint8Array(65)),
    /manifest.sig is larger/,
  ],
  [
    'a manifest that was altered',
    undefined,
    (files: Map<string, Uint8Array>) => files.set('manifest.json', bytes('{}')),
    /not signed by a key/,
  ],
  [
    'a part that was altered',
    undefined,
    (files: Map<string, Uint8Array>) => files.set('root.verity', new Uint8Array(3000)),
    /root.verity is not what its manifest says/,
  ],
  [
    'a part that is missing',
    undefined,
    (files: Map<string, Uint8Array>) => files.delete('uki-b.efi'),
    /no uki-b.efi in it/,
  ],
  [
    'no signature',
    undefined,
    (files: Map<string, Uint8Array>) => files.delete('manifest.sig'),
    /no manifest.sig/,
  ],
  [
    'another board',
    (all: object) => ({ ...all, profile: 'raspberry-pi' }),
    undefined,
    /for raspberry-pi, and this box is x86_64-uefi/,
  ],
  [
    'an older version',
    (all: object) => ({ ...all, version: '0.0.9+202611210847.d2f8804' }),
    undefined,
    /older .* --allow-downgrade/,
  ],
  ['another format', (all: object) => ({ ...all, format: 2 }), undefined, /format 2/],
])('%s is refused', (_, manifest, files, fault) => {
  const archive = update(manifest as never, files as never);
  expect(() => openUpdate(sourceOf(archive), trusted, BOX, false)).toThrow(fault);
});

test('an older version is taken when that is wished, and nothing from a box without keys', () => {
  const older = update(all => ({ ...all, version: '0.0.9+202611210847.d2f8804' }));
  expect(openUpdate(sourceOf(older), trusted, BOX, true).manifest.version).toContain('0.0.9');
  expect(() => openUpdate(sourceOf(update()), { ...trusted, keys: [] }, BOX, false)).toThrow('trusts no key');
});

test.each([
  ['no JSON', 'x', /no JSON/],
  ['no object', '[]', /there is none/],
  [
    'no parts',
    JSON.stringify({ format: 1, profile: 'a', version: VERSION }),
    /parts of its manifest: there is none/,
  ],
  [
    'a size that is none',
    JSON.stringify({
      format: 1,
      profile: 'a',
      version: VERSION,
      parts: { 'root.squashfs': { size: 1e30, sha256: '' } },
    }),
    /no size between/,
  ],
])('a manifest with %s is refused', (_, text, fault) => {
  expect(() => readManifest(text)).toThrow(fault);
});
