/**
 * What an image weighs, by where each file comes from.
 */

export interface WeighedFile {
  /** Below the root, without a leading slash. */
  readonly path: string;
  /** Bytes as it is, and as it is when packed by itself. */
  readonly size: number;
  readonly packed: number;
}

export interface Weight {
  readonly name: string;
  readonly size: number;
  /** Share of `total`, in bytes. */
  readonly packed: number;
}

/**
 * Sums by owner, the heaviest first. Files are packed together in an image, so what they weigh packed is scaled to the image's `total`.
 */
export function weigh(
  files: readonly WeighedFile[],
  ownerOf: (path: string) => string,
  total: number,
): readonly Weight[] {
  const sums = new Map<string, { size: number; packed: number }>();
  let all = 0;
  for (const { path, size, packed } of files) {
    const name = ownerOf(path);
    const sum = sums.get(name) ?? { size: 0, packed: 0 };
    sums.set(name, { size: sum.size + size, packed: sum.packed + packed });
    all += packed;
  }
  return [...sums]
    .map(([name, { size, packed }]) => ({ name, size, packed: Math.round((packed / all) * total) }))
    .sort((one, other) => other.packed - one.packed || (one.name < other.name ? -1 : 1));
}

const mega = (bytes: number): string => (bytes / 1e6).toFixed(1).padStart(8);

/** As a table, in MB (10^6): the `count` heaviest, and the others together. */
export function weightTable(weights: readonly Weight[], count: number): string {
  const rest = weights.slice(count);
  const sum = (list: readonly Weight[], name: string): Weight => ({
    name,
    size: list.reduce((total, one) => total + one.size, 0),
    packed: list.reduce((total, one) => total + one.packed, 0),
  });
  const rows = [
    ...weights.slice(0, count),
    ...(rest.length > 0 ? [sum(rest, `${rest.length} others`)] : []),
    sum(weights, 'all'),
  ];
  return [
    '  packed      as is  MB',
    ...rows.map(({ name, size, packed }) => `${mega(packed)}   ${mega(size)}  ${name}`),
  ].join('\n');
}
