/** What comes on a stick or as an update is read or refused with a sentence, never otherwise, whatever its bytes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readBundle, writeBundle } from '../../appliance/box/bundle.ts';
import { readKey } from '../../appliance/box/enrol.ts';
import { readEntry } from '../../appliance/box/entries.ts';
import { readManifest } from '../../appliance/box/manifest.ts';
import { readHello } from '../../appliance/box/ospf-hello.ts';
import { readTar, sourceOf, writeTar } from '../../appliance/box/tar.ts';
import { openUpdate } from '../../appliance/box/update-file.ts';

/** Runs it; an Error with a sentence is as good as a result. */
function outcome(read: () => unknown): 'read' | 'refused' {
  try {
    read();
    return 'read';
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).constructor).toBe(Error);
    expect((error as Error).message.length).toBeGreaterThan(5);
    return 'refused';
  }
}

const limits = { entries: 16, size: 1 << 20 };
const archive = writeTar([
  { name: 'manifest.json', bytes: new TextEncoder().encode('{"format":1}') },
  { name: 'manifest.sig', bytes: new Uint8Array(64) },
  { name: 'root.verity', bytes: new Uint8Array(900).fill(9) },
]);

/** An archive with some of its bytes altered, and cut somewhere. */
const damaged = fc
  .tuple(
    fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { maxLength: 12 }),
    fc.nat(archive.length),
    fc.boolean(),
  )
  .map(([changes, end, mended]) => {
    const bytes = archive.slice();
    for (const [at, byte] of changes) bytes[at] = byte;
    // With checksums put right, it gets past them.
    if (mended)
      for (const at of [0, 1024, 2048]) {
        const header = bytes.subarray(at, at + 512);
        const sum = header.reduce(
          (all, byte, offset) => all + (offset >= 148 && offset < 156 ? 32 : byte),
          0,
        );
        bytes.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), at + 148);
      }
    return changes.length > 8 ? bytes.subarray(0, end) : bytes;
  });

test('archives', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 3000 })), bytes => {
      seen.add(
        outcome(() => {
          for (const { name, offset, size } of readTar(sourceOf(bytes), limits)) {
            expect(name).not.toMatch(/[/\0]|^\./);
            expect(offset + size).toBeLessThanOrEqual(bytes.length);
          }
        }),
      );
    }),
    { numRuns: 3000 },
  );
  expect([...seen].sort()).toEqual(['read', 'refused']);
});

test('updates: whatever is altered, nothing that is not signed is read', () => {
  const trusted = {
    keys: [new Uint8Array(44)],
    verify: () => false,
    digest: () => ({ update() {}, hex: () => '' }),
  };
  const box = { profile: 'x', version: '0.1.0+202611210847.d2f8804' };
  fc.assert(
    fc.property(damaged, bytes => {
      expect(outcome(() => openUpdate(sourceOf(bytes), trusted, box, true))).toBe('refused');
    }),
  );
});

test('manifests', () => {
  const json = fc.json().map(text => text);
  const near = fc
    .record(
      {
        format: fc.oneof(fc.constant(1), fc.jsonValue()),
        profile: fc.oneof(fc.constant('x'), fc.jsonValue()),
        version: fc.jsonValue(),
        parts: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    .map(value => JSON.stringify(value));
  fc.assert(
    fc.property(fc.oneof(json, near, fc.string()), text => {
      expect(outcome(() => readManifest(text))).toBe('refused');
    }),
    { numRuns: 1000 },
  );
});

test('bundles, keys, file names and hellos', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.string(), (bytes, text) => {
      outcome(() => readBundle(bytes));
      const key = readKey(text);
      expect(typeof key === 'string' || key.fault.length > 0).toBe(true);
      readEntry(text);
      const hello = readHello(bytes);
      expect(hello === undefined || hello.hello > 0).toBe(true);
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.base64String({ minLength: 40 }), (blob, body) => {
      const key = readKey(`ssh-ed25519 ${body} ${String.fromCharCode(...blob)}`);
      expect(typeof key === 'string' ? /^[ -~]+$/.test(key) : key.fault.length > 0).toBe(true);
    }),
  );
});

test('files that are no text are no bundle', () => {
  const bytes = writeBundle(new Map([['bivouac.json', '{}']]));
  bytes[512] = 0xff;
  expect(() => readBundle(bytes)).toThrow('bivouac.json in it is no text');
});
