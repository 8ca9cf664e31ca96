/**
 * Whether two builds gave the same bits.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';

/** A line for each file of either directory, whose name begins with `prefix`, that is not the same in both. */
export function differences(one: string, other: string, prefix: string): readonly string[] {
  const names = new Set(
    [one, other].flatMap(directory => readdirSync(directory).filter(name => name.startsWith(prefix))),
  );
  return [...names].sort().flatMap(name => {
    const paths = [`${one}/${name}`, `${other}/${name}`] as const;
    const missing = paths.find(path => !existsSync(path));
    if (missing !== undefined) return [`${missing} is missing`];
    const [size, size2] = paths.map(path => statSync(path).size);
    if (size !== size2) return [`${name}: ${size} bytes, then ${size2}`];
    const [bytes, bytes2] = [readFileSync(paths[0]), readFileSync(paths[1])];
    if (bytes.equals(bytes2)) return [];
    let at = 0;
    while (bytes[at] === bytes2[at]) at++;
    return [`${name}: differs from byte ${at} on`];
  });
}
