/**
 * Sorts a list in place, if it is not in order yet. Mostly it is, with one more at its end, and `sort` copies whatever it is given.
 */
export function order<T>(list: T[], compare: (one: T, other: T) => number): T[] {
  for (let at = 1; at < list.length; at++)
    if (compare(list[at - 1]!, list[at]!) > 0) return list.sort(compare);
  return list;
}
