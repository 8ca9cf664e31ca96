/**
 * Versions of images: `0.1.0+202611210847.d2f8804`, which is the program's version, when its source was committed (UTC, to the minute) and
 * which commit that is.
 */

/** The parts that are compared, the weightiest first; undefined for a text that is no such version. */
function partsOf(version: string): readonly number[] | undefined {
  const match = /^(\d{1,5})\.(\d{1,5})\.(\d{1,5})\+(\d{12})\.[0-9a-z.-]{4,48}$/.exec(version);
  return match?.slice(1).map(Number);
}

/** Whether this is a version of an image. */
export const isVersion = (text: string): boolean => partsOf(text) !== undefined;

/** Below 0: `one` is older than `other`; 0: as old (but perhaps another commit). Throws for what is no version. */
export function compareVersions(one: string, other: string): number {
  const [left, right] = [one, other].map(version => {
    const parts = partsOf(version);
    if (parts === undefined)
      throw new Error(`'${version}' is no version of an image, such as 0.1.0+202611210847.d2f8804`);
    return parts;
  });
  for (const [index, part] of left!.entries()) if (part !== right![index]) return part - right![index]!;
  return 0;
}
