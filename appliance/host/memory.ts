/**
 * The daemon's memory: after its start, and as it grows.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import koffi from 'koffi';

/** A heap that is collected in a few ms, in bytes. */
const SMALL = 32 << 20;

/**
 * Gives memory that is not used back to the system now, where V8 and malloc would by themselves only after many idle seconds, if at
 * all. Starting leaves 10 MB of it (the modules' text, the schemas' compilers). Does nothing once the heap is so large that its
 * collection would hold the daemon up.
 */
export function giveBack(): void {
  if (process.memoryUsage().heapUsed > SMALL) return;
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  setFlagsFromString('--no-expose-gc');
  trim?.(0);
}

/** malloc_trim(3), which is glibc's own. */
const trim = ((): ((pad: number) => number) | undefined => {
  try {
    return koffi.load('libc.so.6').func('int malloc_trim(size_t pad)') as (pad: number) => number;
  } catch {
    return undefined;
  }
})();

/** What the heap may always grow by, in bytes: by less, a small one that is busy would be collected all the time. */
const ROOM = 24 << 20;

let percent = 0;

/**
 * Lets the heap grow by half of what is in use between two full collections, or by 24 MB where that is more; V8 by itself lets it grow
 * three and four times as large and never gives that back. A collection marks on other threads, so it costs this one milliseconds; with
 * ten thousand servers it saves 60 MB. To be called again now and then, since V8 knows percents only.
 */
export function growSlowly(): void {
  const used = Math.max(1, getHeapStatistics().used_heap_size);
  const wanted = Math.round(Math.min(200, Math.max(50, (100 * ROOM) / used)));
  if (wanted !== percent) setFlagsFromString(`--heap-growing-percent=${wanted}`);
  percent = wanted;
}
