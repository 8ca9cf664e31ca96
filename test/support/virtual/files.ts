/**
 * A file system in memory.
 */
import type { Files } from '../../../appliance/host/ports.ts';

/** Paths are taken as they are written; directories are there without being made, as long as something is in them. */
export class MemoryFiles implements Files {
  readonly texts = new Map<string, string>();
  readonly modes = new Map<string, number>();
  /** Set to make the next writes fail, as a full disk does. */
  failure: string | undefined;

  read(path: string): string | undefined {
    return this.texts.get(path);
  }

  write(path: string, text: string, mode = 0o600): void {
    if (this.failure !== undefined) throw new Error(`${this.failure}, write '${path}'`);
    this.texts.set(path, text);
    this.modes.set(path, mode);
  }

  rename(from: string, to: string): void {
    const text = this.texts.get(from);
    if (text === undefined) throw new Error(`ENOENT: no such file or directory, rename '${from}' -> '${to}'`);
    this.write(to, text, this.modes.get(from));
    this.remove(from);
  }

  remove(path: string): void {
    this.texts.delete(path);
    this.modes.delete(path);
  }

  list(directory: string): readonly string[] {
    const prefix = directory.endsWith('/') ? directory : `${directory}/`;
    const names = [...this.texts.keys()]
      .filter(path => path.startsWith(prefix))
      .map(path => path.slice(prefix.length).split('/')[0]!);
    return [...new Set(names)].sort();
  }

  makeDirectory(): void {}
}
