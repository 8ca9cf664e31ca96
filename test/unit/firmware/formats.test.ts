/** What the image builder writes byte by byte: cpio archives, kernel images. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CpioEntry, writeCpio } from '../../../firmware-build/formats/cpio.ts';
import { addSections, PeError, sectionsOf } from '../../../firmware-build/formats/pe.ts';
import { scriptImage } from '../../../firmware-build/formats/uboot-script.ts';

/** Reads an archive back, as the kernel does. */
function readCpio(
  bytes: Buffer,
): readonly { path: string; mode: number; bytes: Buffer; device: number[]; time: number }[] {
  const entries = [];
  for (let at = 0; ; ) {
    const field = (index: number): number =>
      Number.parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    expect(bytes.toString('latin1', at, at + 6)).toBe('070701');
    const path = bytes.toString('utf8', at + 110, at + 110 + field(11) - 1);
    const data = (at + 110 + field(11) + 3) & ~3;
    if (path === 'TRAILER!!!') {
      expect((data + 3) & ~3).toBe(bytes.length);
      return entries;
    }
    entries.push({
      path,
      mode: field(1),
      bytes: bytes.subarray(data, data + field(6)),
      device: [field(9), field(10)],
      time: field(5),
    });
    at = (data + field(6) + 3) & ~3;
  }
}

describe('cpio', () => {
  test('every kind of entry', () => {
    const read = readCpio(
      writeCpio([
        { path: 'dev', kind: 'directory' },
        { path: 'dev/console', kind: 'device', major: 5, minor: 1 },
        { path: 'sh', kind: 'link', to: 'busybox' },
        { path: 'init', kind: 'file', bytes: Buffer.from('#!/sh'), executable: true },
        { path: 'data', kind: 'file', bytes: Buffer.from('12345678') },
      ]),
    );
    expect(read.map(({ path, mode }) => [path, mode.toString(8)])).toEqual([
      ['dev', '40755'],
      ['dev/console', '20600'],
      ['sh', '120777'],
      ['init', '100755'],
      ['data', '100644'],
    ]);
    expect(read[1]?.device).toEqual([5, 1]);
    expect(read[2]?.bytes.toString()).toBe('busybox');
    expect(read.every(({ time }) => time === 0)).toBe(true);
  });

  test('files of any name and size come back', () => {
    const file = fc.record({
      path: fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom('a', 'b', '/', 'é') }),
      kind: fc.constant('file' as const),
      bytes: fc.uint8Array({ maxLength: 50 }),
    });
    fc.assert(
      fc.property(fc.array(file, { maxLength: 6 }), files => {
        const read = readCpio(writeCpio(files as readonly CpioEntry[]));
        expect(read.map(({ path }) => path)).toEqual(files.map(({ path }) => path));
        expect(read.map(({ bytes }) => [...bytes])).toEqual(files.map(({ bytes }) => [...bytes]));
      }),
    );
  });
});

/** A stub: headers of `room` bytes, and one section `.text` of 0x200 bytes at 0x1000. */
function stub(room = 0x400): Buffer {
  const image = Buffer.alloc(room + 0x200, 0);
  image.write('MZ', 0, 'latin1');
  image.writeUInt32LE(0x80, 0x3c);
  image.write('PE\0\0', 0x80, 'latin1');
  image.writeUInt16LE(0x8664, 0x84);
  image.writeUInt16LE(1, 0x86);
  image.writeUInt32LE(0x12345678, 0x88);
  image.writeUInt16LE(0xf0, 0x94);
  const optional = 0x98;
  image.writeUInt16LE(0x20b, optional);
  image.writeUInt32LE(0x200, optional + 32);
  image.writeUInt32LE(0x200, optional + 36);
  image.writeUInt32LE(0x1200, optional + 56);
  image.writeUInt32LE(room, optional + 60);
  image.writeUInt32LE(0xcafe, optional + 64);
  const section = optional + 0xf0;
  image.write('.text', section, 'latin1');
  for (const [offset, value] of [
    [8, 0x180],
    [12, 0x1000],
    [16, 0x200],
    [20, room],
  ] as const)
    image.writeUInt32LE(value, section + offset);
  image.fill(0xc3, room);
  return image;
}

describe('kernel images', () => {
  test('sections follow the stub’s own, aligned in file and memory, with their bytes', () => {
    const linux = Buffer.alloc(5000, 7);
    const image = addSections(stub(), [
      { name: '.cmdline', bytes: Buffer.from('quiet\0') },
      { name: '.linux', bytes: linux },
    ]);
    const sections = sectionsOf(image);
    expect(sections.map(({ name, memory }) => [name, memory])).toEqual([
      ['.text', 0x180],
      ['.cmdline', 6],
      ['.linux', 5000],
    ]);
    for (const { address, offset, size } of sections.slice(1)) {
      expect(address % 4096).toBe(0);
      expect(offset % 0x200).toBe(0);
      expect(size % 0x200).toBe(0);
      expect(offset + size).toBeLessThanOrEqual(image.length);
    }
    for (const [index, one] of sections.entries()) {
      const next = sections[index + 1];
      if (next)
        expect(one.address + Math.max(one.memory, one.size)).toBeLessThanOrEqual(next.address + 0x200);
    }
    const { offset = 0 } = sections[2] ?? {};
    expect(image.subarray(offset, offset + 5000).equals(linux)).toBe(true);
    // Size of the image in memory reaches beyond the last section; no time, no checksum.
    expect(image.readUInt32LE(0x98 + 56)).toBeGreaterThanOrEqual((sections[2]?.address ?? 0) + 5000);
    expect(image.readUInt32LE(0x88)).toBe(0);
    expect(image.readUInt32LE(0x98 + 64)).toBe(0);
  });

  test('the stub itself is not changed, and the same input gives the same bits', () => {
    const before = stub();
    const section = { name: '.linux', bytes: Buffer.from('x') };
    const image = addSections(before, [section]);
    expect(before.equals(stub())).toBe(true);
    expect(addSections(before, [section]).equals(image)).toBe(true);
  });

  test.each([
    ['no PE', Buffer.from('hello'), []],
    ['MZ alone', Buffer.from(`MZ${'\0'.repeat(100)}`, 'latin1'), []],
    ['a section that is there', stub(), ['.text']],
    ['a name that is too long', stub(), ['.cmdlines']],
    ['more headers than there is room for', stub(0x200), ['.a', '.b', '.c', '.d', '.e']],
  ] as const)('%s is refused', (_, image, names) => {
    const added = names.map(name => ({ name, bytes: Buffer.alloc(1) }));
    expect(() => addSections(image, added)).toThrow(PeError);
  });

  test('an image cut off anywhere, or with any byte changed, throws nothing but PeError', () => {
    const whole = stub();
    const change = fc.record({
      length: fc.integer({ min: 0, max: whole.length }),
      at: fc.integer({ min: 0, max: 0x200 }),
      byte: fc.integer({ min: 0, max: 255 }),
    });
    let refused = 0;
    fc.assert(
      fc.property(change, ({ length, at, byte }) => {
        const image = Buffer.from(whole.subarray(0, length));
        if (at < image.length) image[at] = byte;
        try {
          sectionsOf(image);
        } catch (error) {
          expect(error).toBeInstanceOf(PeError);
          refused++;
        }
      }),
    );
    expect(refused).toBeGreaterThan(0);
  });
});

test("U-Boot's script: as mkimage 2023.01 writes it, byte for byte", () => {
  // printf 'echo hi\n' | SOURCE_DATE_EPOCH=1795250621 mkimage -A arm64 -O linux -T script -C none -n bivouac -d /dev/stdin boot.scr
  expect(Buffer.from(scriptImage('echo hi\n', 1795250621)).toString('hex')).toBe(
    '27051956d634ec4f6b0159bd000000100000000000000000d934016205160600' +
      '6269766f75616300000000000000000000000000000000000000000000000000' +
      '00000008000000006563686f2068690a',
  );
});
