/**
 * The table, or what changed in it after some change, told in notices one after the other without a gap: as an answer to a repair, or
 * as an image. Pure but for the key.
 */
import type { Line } from './ledger.ts';
import { type NoticeWriter, sorted } from './writer.ts';

/** Entries of each sort that one notice may hold. */
const MOST = 64;

export interface Telling {
  readonly nonce: Uint8Array;
  readonly whole: boolean;
  /** What is told, and up to which change it was when it was collected. */
  readonly lines: readonly Line[];
  readonly until: number;
  /** The next line, and the change that has been told. */
  at: number;
  since: number;
}

/** The next notice: as many changes as fit, and each of them whole. */
export function tellNext(telling: Telling, writer: NoticeWriter): Uint8Array {
  const { lines, nonce, whole, since, until } = telling;
  const from = telling.at;
  let left = writer.room();
  let end = from;
  while (end < lines.length) {
    const next = endOfChange(lines, end);
    const size = lines.slice(end, next).reduce((sum, line) => sum + line.size, 0);
    if (end > from && (size > left || next - from > MOST)) break;
    left -= size;
    end = next;
  }
  const change = end === lines.length ? until : lines[end - 1]!.change;
  telling.at = end;
  telling.since = change;
  const entries = sorted(lines.slice(from, end).map(line => line.entry));
  return writer.notice({ since, change, nonce, whole, ...entries });
}

/** Where the lines of the change that begins at `at` end. */
function endOfChange(lines: readonly Line[], at: number): number {
  const { change } = lines[at]!;
  let end = at + 1;
  while (end < lines.length && lines[end]!.change === change) end++;
  return end;
}
