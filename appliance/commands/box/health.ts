/**
 * `bivouac box healthy`: waits for the manager to be ready, and draws the consequences for the slot that runs.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { isCorrupt, isSteady, judgeHealth, readUnit, type Verdict } from '../../box/health.ts';
import { withWritableEsp } from '../../host/box-disk.ts';
import { thisBox } from './facts.ts';
import type { Paths } from './paths.ts';
import { entriesOf } from './show.ts';

const UNIT = ['show', 'bivouac.service', '-p', 'ActiveState,NRestarts,ActiveEnterTimestampMonotonic'];
/** Sets the second counter to nothing: that of starts since one was healthy (firmware-build/initramfs). */
const BOOT_GOOD = '/usr/lib/bivouac/boot-good';

/** Waits `patience` ms at most; gives what was decided, after it was done (but for the restart). */
export async function judge(paths: Paths, patience: number): Promise<Verdict> {
  const box = thisBox();
  const end = performance.now() + patience;
  let steady = false;
  while (!steady && performance.now() < end) {
    steady = isSteady(readUnit(output('systemctl', UNIT)), Number(process.hrtime.bigint() / 1_000_000n));
    if (!steady) await new Promise(resolve => setTimeout(resolve, 500));
  }
  const corrupt = isCorrupt(output('dmsetup', ['status', 'root']));
  const verdict = judgeHealth(box.slot, entriesOf(paths), { steady, corrupt });
  if (verdict.do !== 'bless') return verdict;
  const { rename } = verdict;
  const directory = join(paths.esp, 'EFI/Linux');
  if (rename !== undefined)
    withWritableEsp(() => renameSync(join(directory, rename.from), join(directory, rename.to)));
  if (existsSync(BOOT_GOOD)) execFileSync(BOOT_GOOD, { stdio: 'pipe' });
  return verdict;
}

/** What a program says; nothing, when it cannot be run. */
function output(file: string, args: readonly string[]): string {
  try {
    return execFileSync(file, [...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    });
  } catch {
    return '';
  }
}
