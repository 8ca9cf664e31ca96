/**
 * dpkg's list of what is installed (deb822: stanzas of `Key: value`, continued by lines that begin with a space).
 */

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The source package's name and version: what security advisories speak of. */
  readonly source: string;
  readonly sourceVersion: string;
  readonly maintainer: string | undefined;
}

/** The installed packages of /var/lib/dpkg/status, sorted by name. */
export function installedPackages(text: string): readonly DebianPackage[] {
  return text
    .split(/\n\n+/)
    .map(fieldsOf)
    .filter(fields => fields.get('Status')?.endsWith(' installed'))
    .map(fields => {
      const name = fields.get('Package') ?? '';
      const version = fields.get('Version') ?? '';
      // `Source: name (version)`; either may be missing when it is the same.
      const [, source = name, sourceVersion = version] =
        /^(\S+)(?: \((.+)\))?$/.exec(fields.get('Source') ?? '') ?? [];
      return {
        name,
        version,
        architecture: fields.get('Architecture') ?? '',
        source,
        sourceVersion,
        maintainer: fields.get('Maintainer'),
      };
    })
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Fields of one stanza; of those over many lines the first line. */
export function fieldsOf(stanza: string): ReadonlyMap<string, string> {
  return new Map(
    stanza.split('\n').flatMap(line => {
      const match = /^([A-Za-z][\w-]*):\s*(.*)$/.exec(line);
      return match ? [[match[1] ?? '', match[2] ?? ''] as const] : [];
    }),
  );
}
