/**
 * Which of a kernel's modules an image keeps (modules.dep(5)).
 */

/** Of each module's path (`kernel/…/x.ko`) the paths that it depends on. */
export function dependenciesOf(text: string): ReadonlyMap<string, readonly string[]> {
  return new Map(
    text
      .split('\n')
      .filter(line => line.includes(':'))
      .map(line => {
        const [path = '', rest = ''] = line.split(':');
        return [path, rest.split(' ').filter(word => word !== '')];
      }),
  );
}

/** The modules' name: file name without directory and `.ko`, with `_` for `-`, as the kernel has it. */
export const moduleName = (path: string): string =>
  path
    .slice(path.lastIndexOf('/') + 1)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');

const below = (path: string, prefixes: readonly string[]): boolean =>
  prefixes.some(prefix => path === `kernel/${prefix}` || path.startsWith(`kernel/${prefix}/`));

/** Paths to keep, sorted: those below `keep` and not below `drop`, and all that they depend on, wherever it lies. */
export function keptModules(
  depends: ReadonlyMap<string, readonly string[]>,
  { keep, drop }: { readonly keep: readonly string[]; readonly drop: readonly string[] },
): readonly string[] {
  const kept = [...depends.keys()].filter(path => below(path, keep) && !below(path, drop));
  return withDependencies(kept, depends);
}

/** The paths of the modules of these names, and of all that they depend on, sorted. */
export function modulesByName(
  names: readonly string[],
  depends: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const wanted = new Set(names.map(name => name.replaceAll('-', '_')));
  return withDependencies(
    [...depends.keys()].filter(path => wanted.has(moduleName(path))),
    depends,
  );
}

function withDependencies(
  paths: readonly string[],
  depends: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  // modules.dep lists all of them, those of dependencies too.
  return [...new Set(paths.flatMap(path => [path, ...(depends.get(path) ?? [])]))].sort();
}
