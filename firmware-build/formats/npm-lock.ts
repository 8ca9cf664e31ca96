/**
 * npm's package-lock.json: what the bundle holds of other people's packages.
 */

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly dev?: boolean;
  readonly link?: boolean;
}

export interface Lock {
  readonly packages: Readonly<Record<string, Locked>>;
}

export interface NpmComponent {
  readonly name: string;
  readonly version: string;
  /** Subresource Integrity, when the lock file has it. */
  readonly integrity: string | undefined;
  readonly license: string | undefined;
}

/** The packages that the program depends on at run time, sorted; of what is one for each platform only `platform`. */
export function runtimePackages(lock: Lock, platform: string): readonly NpmComponent[] {
  const found = new Map<string, NpmComponent>();
  const walk = (path: string): void => {
    for (const name of Object.keys(lock.packages[path]?.dependencies ?? {})) {
      const at = resolve(lock, path, name);
      if (at !== undefined && !found.has(at)) add(at, name);
    }
  };
  const add = (at: string, name: string): void => {
    const { version = '', integrity, license } = lock.packages[at] ?? {};
    found.set(at, { name, version, integrity, license });
    walk(at);
  };
  walk('');
  const native = `node_modules/${platform}`;
  if (lock.packages[native] !== undefined) add(native, platform);
  return [...found.values()].sort((one, other) =>
    `${one.name}@${one.version}` < `${other.name}@${other.version}` ? -1 : 1,
  );
}

/** Where Node finds a package for the one at `path`: in its own node_modules, or in those above. */
function resolve(lock: Lock, path: string, name: string): string | undefined {
  for (let base = path; ; ) {
    const at = `${base === '' ? '' : `${base}/`}node_modules/${name}`;
    if (lock.packages[at] !== undefined) return at;
    if (base === '') return undefined;
    const cut = base.lastIndexOf('/node_modules/');
    base = cut < 0 ? '' : base.slice(0, cut);
  }
}

/** The hash of an integrity in hex. */
export const hexOf = (integrity: string): string =>
  Buffer.from(integrity.slice(integrity.indexOf('-') + 1), 'base64').toString('hex');
