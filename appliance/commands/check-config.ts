/**
 * `bivouac check-config FILE`: says what is wrong with a configuration. Exit status: 0 fine, 1 faults, 2 usage.
 */
import { readFileSync } from 'node:fs';
import { formatFault, loadConfig } from '../config/load.ts';

export async function checkConfig(args: string[]): Promise<number> {
  const [file] = args;
  if (file === undefined || file === '--help' || args.length > 1) {
    console.log(
      'usage: bivouac check-config FILE\n\nReads the configuration of `bivouac run` and names each fault with its line. Never touches the network.',
    );
    return file === '--help' ? 0 : 2;
  }
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    console.error(`${file}: cannot be read: ${(error as Error).message}`);
    return 1;
  }
  const loaded = loadConfig(text);
  if ('faults' in loaded) {
    for (const fault of loaded.faults) console.error(formatFault(file, fault));
    return 1;
  }
  console.log(
    `${file}: fine (manager ${loaded.config.name}, ${loaded.config.pools.length} pools, ${loaded.config.listen.length} listeners)`,
  );
  return 0;
}
