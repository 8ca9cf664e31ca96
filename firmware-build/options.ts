/** Reads the words behind `npm run firmware --`. */
import { parseArgs } from 'node:util';

export interface Options {
  readonly profile: string;
  /** In place of what the repository says. */
  readonly version: string | undefined;
  /** File with the key that signs. */
  readonly key: string | undefined;
  readonly out: string | undefined;
  /** Directory with the bundle. */
  readonly bundle: string | undefined;
  readonly kernelArguments: readonly string[];
  /** Build a second time and compare. */
  readonly twice: boolean;
  /** Compress little. */
  readonly fast: boolean;
  /** Leave what lies between the steps. */
  readonly keep: boolean;
}

/** The words cannot be understood: exit status 2. */
export class UsageError extends Error {}

/**
 * The options, or `help`.
 *
 * @throws {UsageError}
 */
export function readOptions(args: readonly string[]): Options | 'help' {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        version: { type: 'string' },
        key: { type: 'string' },
        out: { type: 'string' },
        bundle: { type: 'string' },
        'kernel-argument': { type: 'string', multiple: true, default: [] },
        twice: { type: 'boolean', default: false },
        fast: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) return 'help';
    const [profile, ...others] = positionals;
    if (profile === undefined) throw new UsageError('no profile is named');
    if (others.length > 0) throw new UsageError(`one profile at a time, not also ${others.join(' ')}`);
    return {
      profile,
      version: values.version,
      key: values.key,
      out: values.out,
      bundle: values.bundle,
      kernelArguments: values['kernel-argument'],
      twice: values.twice,
      fast: values.fast,
      keep: values.keep,
    };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError((error as Error).message);
  }
}
