/**
 * `bivouac update FILE`: puts another image in the slot that does not run, and starts it. Exit status: 0 done, 1 refused or failed, 2 usage.
 */
import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey } from 'node:crypto';
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readEntry } from '../box/entries.ts';
import type { ByteSource } from '../box/tar.ts';
import { runUpdate } from '../box/update.ts';
import { type Digest, openUpdate, type UpdateFile } from '../box/update-file.ts';
import { planUpdate, type Step } from '../box/update-plan.ts';
import { createBoxDisk, withWritableEsp } from '../host/box-disk.ts';
import { claim } from '../host/claim.ts';
import { verify } from '../host/keys.ts';
import { thisBox } from './box/facts.ts';
import { OPTIONS } from './options.ts';

/** Whose updates are taken. */
const KEYS = '/usr/share/bivouac/update-keys';

const USAGE = `usage: bivouac update FILE [--no-reboot] [--allow-downgrade] [--check]

Checks the update FILE (bivouac-PROFILE-VERSION.update): who signed it, that it is whole, and that it is for this box. Writes it to the slot that
does not run, and restarts the box. If the new image does not get healthy in 3 starts, the box goes back to the one that runs now.

  --check            only looks at FILE
  --no-reboot        leaves the restart to you
  --allow-downgrade  takes an older version, too`;

export async function update(args: string[]): Promise<number> {
  let parsed: ReturnType<typeof read>;
  try {
    parsed = read(args);
  } catch (error) {
    console.error(`bivouac update: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  try {
    await install(positionals[0]!, values);
    return 0;
  } catch (error) {
    console.error(`bivouac update: ${positionals[0]}: ${(error as Error).message}`);
    return 1;
  }
}

function read(args: string[]) {
  const parsed = parseArgs({ args, allowPositionals: true, options: OPTIONS.update });
  if (parsed.values.help !== true && parsed.positionals.length !== 1)
    throw new Error(`one FILE, not ${parsed.positionals.length}`);
  return parsed;
}

async function install(
  path: string,
  options: { readonly check?: boolean; readonly 'no-reboot'?: boolean; readonly 'allow-downgrade'?: boolean },
): Promise<void> {
  const box = thisBox();
  const { source, close } = openSource(path);
  try {
    const trusted = { keys: trustedKeys(), verify, digest: sha256 };
    const file = openUpdate(source, trusted, box, options['allow-downgrade'] === true);
    console.log(`${path}: ${file.manifest.version} for ${box.profile}, whole and signed`);
    if (options.check === true) return;
    const busy = await claim('update');
    try {
      withWritableEsp(() => write(box.slot, file));
    } finally {
      busy.close();
    }
  } finally {
    close();
  }
  if (options['no-reboot'] === true) console.log('restart the box to start it');
  else execFileSync('systemctl', ['reboot']);
}

function write(slot: 'a' | 'b', file: UpdateFile): void {
  const disk = createBoxDisk();
  const entries = disk
    .entries()
    .map(readEntry)
    .filter(entry => entry !== undefined);
  const plan = planUpdate(slot, entries, file.manifest);
  if (typeof plan === 'string') throw new Error(plan);
  runUpdate(plan, file, disk, sha256, step => console.log(say(step)));
  console.log(`slot ${plan.slot} has ${file.manifest.version}; slot ${slot} stays what it is`);
}

function say(step: Step): string {
  if (step.do === 'write') return `writing ${step.partition}, and reading it back`;
  if (step.do === 'prepare') return `writing ${step.entry}, and reading it back`;
  if (step.do === 'commit') return `making ${step.entry} one to start`;
  return step.do === 'flush-entries' ? 'flushing' : `removing ${step.entry}`;
}

const sha256 = (): Digest => {
  const hash = createHash('sha256');
  return { update: bytes => void hash.update(bytes), hex: () => hash.digest('hex') };
};

/** DER of the keys in the directory; what is no key there is a fault of the image. */
const trustedKeys = (): Uint8Array[] =>
  readdirSync(KEYS)
    .filter(name => name.endsWith('.pem'))
    .map(name => createPublicKey(readFileSync(join(KEYS, name))).export({ type: 'spki', format: 'der' }));

function openSource(path: string): { readonly source: ByteSource; close(): void } {
  const file = openSync(path, 'r');
  const size = fstatSync(file).size;
  const read = (offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
    return bytes.subarray(0, bytes.length === 0 ? 0 : readSync(file, bytes, 0, bytes.length, offset));
  };
  return { source: { size, read }, close: () => closeSync(file) };
}
