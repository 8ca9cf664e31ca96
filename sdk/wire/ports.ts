/** Sets of ports: on the wire (docs/protocol.md §4.2) and as text, `80,8080,5000-5100` or `*`. */
import { fail, type Kind } from './kinds.ts';
import type { PortRange } from './model.ts';
import { readU16 } from './tlv.ts';

/** Ranges in one set of ports. */
const MAX_PORT_RANGES = 16;

/**
 * Reads a list of ports and ranges; `*` and '' are the empty list, which stands for every port. Gives them normalised, or
 * undefined if the text is not such a list (a port outside 1…65535, a range upside down).
 */
export function parsePorts(text: string): PortRange[] | undefined {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed === '*') return [];
  const ranges: PortRange[] = [];
  for (const part of trimmed.split(',')) {
    const digits = /^\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?$/.exec(part);
    if (digits === null) return undefined;
    const first = Number(digits[1]);
    const last = Number(digits[2] ?? digits[1]);
    if (first < 1 || last > 65_535 || first > last) return undefined;
    ranges.push({ first, last });
  }
  return normalisePorts(ranges);
}

/** The text that `parsePorts` reads: `80,5000-5100`; `*` for the empty list. */
export const formatPorts = (ranges: readonly PortRange[]): string =>
  ranges.length === 0
    ? '*'
    : ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');

/** The same set of ports, sorted, with ranges that touch or overlap made one. */
export function normalisePorts(ranges: readonly PortRange[]): PortRange[] {
  const result: PortRange[] = [];
  for (const range of [...ranges].sort((left, right) => left.first - right.first)) {
    const before = result.at(-1);
    if (before === undefined || range.first > before.last + 1) result.push({ ...range });
    else result[result.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
  }
  return result;
}

/** Whether every port of `wanted` is among `ranges`, which are sorted and do not overlap. */
export function holdsPorts(ranges: readonly PortRange[], wanted: PortRange): boolean {
  let port = wanted.first;
  for (const { first, last } of ranges) {
    if (first > port) return false;
    if (last >= port) port = last + 1;
    if (port > wanted.last) return true;
  }
  return false;
}

/** 1…16 ranges of 4 bytes, first and last port, sorted and not overlapping. */
export const portRanges: Kind<readonly PortRange[]> = {
  depth: 0,
  read(bytes, start, end) {
    const count = (end - start) / 4;
    if (!Number.isInteger(count) || count === 0)
      fail(start, `ranges of ports take 4 bytes each, not ${end - start} in all`);
    if (count > MAX_PORT_RANGES)
      fail(start, `${count} ranges of ports, at most ${MAX_PORT_RANGES} are allowed`, 'limit');
    const ranges: PortRange[] = [];
    for (let at = start; at < end; at += 4)
      ranges.push({ first: readU16(bytes, at), last: readU16(bytes, at + 2) });
    checkRanges(ranges, start);
    return ranges;
  },
  write(writer, ranges) {
    if (ranges.length === 0 || ranges.length > MAX_PORT_RANGES)
      fail(writer.at, `${ranges.length} ranges of ports, 1…${MAX_PORT_RANGES} are allowed`, 'limit');
    checkRanges(ranges, writer.at);
    for (const { first, last } of ranges) {
      writer.u16(first);
      writer.u16(last);
    }
  },
};

function checkRanges(ranges: readonly PortRange[], offset: number): void {
  let before = 0;
  for (const { first, last } of ranges) {
    if (first <= before || first > last || last > 65_535)
      fail(
        offset,
        `the range ${first}-${last} is not within 1…65535, or not above the one before; sort them and merge overlaps`,
      );
    before = last;
  }
}
