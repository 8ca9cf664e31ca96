/**
 * The daemon's memory after its start.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Collects garbage now, as V8 would do by itself only after many idle seconds. Starting leaves 10 MB of it (the modules' text, the
 * schemas' compilers), which an idle manager would hold on to.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  setFlagsFromString('--no-expose-gc');
}
