/**
 * The images that the tests of the box start from: what `npm run firmware -- PROFILE` made last, and updates that are made of its own,
 * signed with its development key: with another version, or with a word more for the kernel.
 */
import { spawn } from 'node:child_process';
import { createHash, createPrivateKey, sign } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readTar, sourceOf, writeTar } from '../../appliance/box/tar.ts';
import { sectionsOf } from '../../firmware-build/formats/pe.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Where the images are that are tested. */
export const OUT = process.env['BIVOUAC_IMAGES'] ?? join(ROOT, 'firmware-build/out');

export interface Made {
  readonly image: string;
  readonly update: string;
  readonly version: string;
}

/** The newest image of a profile, and its update. Throws when there is none. */
export function newest(profile = 'x86_64-uefi'): Made {
  const update = latest(profile);
  if (update === undefined)
    throw new Error(`${OUT} holds no image of ${profile}: make one by npm run firmware -- ${profile}`);
  const version = update.slice(`bivouac-${profile}-`.length, -'.update'.length);
  return { image: join(OUT, update.replace(/update$/, 'img')), update: join(OUT, update), version };
}

/** Name of the file that was made last of a profile, with this ending. */
const latest = (profile: string, ending = '.update'): string | undefined =>
  (existsSync(OUT) ? readdirSync(OUT) : [])
    .filter(name => name.startsWith(`bivouac-${profile}-`) && name.endsWith(ending))
    .sort((one, other) => statSync(join(OUT, one)).mtimeMs - statSync(join(OUT, other)).mtimeMs)
    .at(-1);

/** The newest image of a profile; made first, with little compression, where there is none: minutes. */
export async function newestOrMade(profile: string): Promise<Made> {
  if (latest(profile) === undefined) await make(profile);
  return newest(profile);
}

/** The newest archive of the container's root file system; made first, likewise. */
export async function archiveOrMade(): Promise<string> {
  const found = (): string | undefined => latest('container', '.tar.xz') ?? latest('container', '.tar');
  if (found() === undefined) await make('container');
  return join(OUT, found()!);
}

async function make(profile: string): Promise<void> {
  console.log(
    `${OUT} holds no image of ${profile}: it is made now, by npm run firmware -- ${profile} --fast`,
  );
  const words = ['run', 'firmware', '--', profile, '--fast', '--out', OUT];
  const child = spawn('npm', words, { cwd: ROOT, stdio: 'inherit' });
  const status = await new Promise(done => child.on('close', done).on('error', done));
  if (status !== 0) throw new Error(`npm ${words.join(' ')} failed: ${status}`);
}

/** Writes an update of another version, made of a real one. `argument` is added to its kernels' command lines. */
export function remake(from: string, to: string, version: string, argument = ''): void {
  const whole = readFileSync(from);
  const files = new Map(
    readTar(sourceOf(whole), { entries: 16, size: 2 ** 32 }).map(({ name, offset, size }) => [
      name,
      Buffer.from(whole.subarray(offset, offset + size)),
    ]),
  );
  for (const name of ['uki-a.efi', 'uki-b.efi']) if (argument !== '') addArgument(files.get(name)!, argument);
  const manifest = JSON.parse(files.get('manifest.json')!.toString()) as {
    version: string;
    parts: Record<string, { size: number; sha256: string }>;
  };
  manifest.version = version;
  for (const [name, part] of Object.entries(manifest.parts))
    part.sha256 = createHash('sha256').update(files.get(name)!).digest('hex');
  const text = Buffer.from(JSON.stringify(manifest));
  files.set('manifest.json', text);
  files.set('manifest.sig', sign(null, text, createPrivateKey(readFileSync(keyFile()))));
  writeFileSync(to, writeTar([...files].map(([name, bytes]) => ({ name, bytes }))));
}

const keyFile = (): string => {
  const name = readdirSync(join(OUT, 'keys')).find(file => /private|\.key$|key\.pem$/.test(file));
  if (name === undefined) throw new Error(`${OUT}/keys holds no development key`);
  return join(OUT, 'keys', name);
};

/** Adds an argument to the command line of a kernel image, in the room that alignment leaves behind it. Throws when that does not do. */
export function addArgument(image: Buffer, argument: string): void {
  const section = sectionsOf(image).find(({ name }) => name === '.cmdline');
  if (section === undefined) throw new Error('a kernel image without a command line');
  const end = image.indexOf(0, section.offset);
  const line = `${image.toString('latin1', section.offset, end)} ${argument}\0`;
  if (line.length > section.size) throw new Error(`no room for '${argument}'`);
  image.write(line, section.offset, 'latin1');
  // The section's size in memory, 8 bytes behind its name in the section's header.
  image.writeUInt32LE(line.length, image.indexOf('.cmdline\0\0\0\0'.slice(0, 8), 0, 'latin1') + 8);
}
