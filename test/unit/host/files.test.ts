import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFiles } from '../../../appliance/host/files.ts';

describe('files', () => {
  const files = createFiles();
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bivouac-files-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('replaces a file whole, with the mode that is asked whatever the umask, and leaves nothing beside it', () => {
    const path = join(directory, 'state');
    files.write(path, 'one');
    files.write(path, 'two', 0o664);
    expect(files.read(path)).toBe('two');
    expect(statSync(path).mode & 0o777).toBe(0o664);
    expect(readdirSync(directory)).toEqual(['state']);
  });

  it('keeps what it writes to itself unless told otherwise', () => {
    const path = join(directory, 'state');
    files.write(path, 'one');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('cleans up after a write that fails, and says where', () => {
    const path = join(directory, 'taken');
    files.makeDirectory(join(path, 'full'));
    expect(() => files.write(path, 'text')).toThrow(path);
    expect(readdirSync(directory)).toEqual(['taken']);
    expect(() => files.write(join(directory, 'absent', 'file'), 'text')).toThrow('ENOENT');
  });

  it('takes what is not there for nothing', () => {
    expect(files.read(join(directory, 'absent'))).toBeUndefined();
    expect(files.list(join(directory, 'absent'))).toEqual([]);
    expect(() => files.remove(join(directory, 'absent'))).not.toThrow();
    expect(() => files.read(directory)).toThrow('EISDIR');
  });

  it('renames, lists in order and removes', () => {
    files.write(join(directory, 'b'), '1');
    files.write(join(directory, 'a'), '2');
    files.rename(join(directory, 'b'), join(directory, 'c'));
    expect(files.list(directory)).toEqual(['a', 'c']);
    files.remove(join(directory, 'a'));
    expect(files.list(directory)).toEqual(['c']);
  });
});
