/** The log of a node's own command, line by line as it is written, with the moment when it was seen. */
import { closeSync, existsSync, openSync, readSync, statSync, watch } from 'node:fs';
import type { LabNode } from '../runner/node.ts';
import { poll } from '../scenario/poll.ts';
import { type Happening, wallClock } from './monitor.ts';

export class LogWatch {
  readonly #happened: Happening[] = [];
  readonly #close: () => void;

  /** What was written before is not seen. */
  constructor(node: LabNode) {
    const file = node.logFile;
    const handle = openSync(file, existsSync(file) ? 'r' : 'a+');
    let offset = statSync(file).size;
    let pending = '';
    const buffer = Buffer.alloc(1 << 16);
    const read = (): void => {
      const at = wallClock();
      for (;;) {
        const size = readSync(handle, buffer, 0, buffer.length, offset);
        if (size === 0) break;
        offset += size;
        const lines = (pending + buffer.toString('latin1', 0, size)).split('\n');
        pending = lines.pop() ?? '';
        for (const text of lines) this.#happened.push({ at, text });
      }
    };
    const watcher = watch(file, read);
    this.#close = () => {
      watcher.close();
      closeSync(handle);
    };
  }

  /** The first since then whose text matches; undefined when there is none yet. */
  first(pattern: RegExp, since: number): Happening | undefined {
    return this.#happened.find(({ at, text }) => at >= since && pattern.test(text));
  }

  /** Waits for the first since then. Throws when it does not come in time. */
  until(what: string, pattern: RegExp, since: number, timeout = 10_000): Promise<Happening> {
    return poll(what, () => this.first(pattern, since), { timeout, interval: 5 });
  }

  close(): void {
    this.#close();
  }
}
