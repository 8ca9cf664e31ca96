/**
 * The program as a script with V8's bytecode beside it, made in the image's own root by its own Node: compiling took a third of a start.
 * Node's compile cache would not do: it is for one kind of processor, and an image is started on many.
 */
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { type Build, rootOf } from '../build.ts';
import { PROGRAM } from './addons.ts';
import { removeTree, run } from './run.ts';

/** So that the same bits come out each time: no chance in hashes, no other threads, no function whose bytecode is given up again. */
const SAME = ['--hash-seed=1', '--random-seed=1', '--predictable', '--no-flush-bytecode'];

/** Where in the bytecode's header V8 has the hash of its flags (SerializedCodeData::kFlagHashOffset), and its bytes. */
const FLAGS = [12, 16] as const;

/** A network of its own, which has nothing but a loopback, and mounts that end with the program. */
const ALONE = ['--net', '--mount', '--propagation', 'private', 'sh', '-c'];
const WITHIN =
  'mount -t proc proc "$0/proc" && mount -t sysfs sys "$0/sys" && exec chroot "$0" /usr/bin/node "$@"';

/** Within the root. */
const FILES = '/tmp/bytecode';

/** Puts the script, its bytecode and what starts them into the root. Throws when V8 does not take the bytecode. */
export function installBytecode(build: Build): void {
  const root = rootOf(build);
  const [from, to] = [`${build.root}/firmware-build/program`, `${root}/${PROGRAM}`];
  const text = readFileSync(`${build.bundle}/bivouac.cjs`, 'latin1');
  writeFileSync(`${to}/bivouac.script`, scriptOf(text), 'latin1');
  copyFileSync(`${from}/bivouac`, `${to}/bivouac`);
  chmodSync(`${to}/bivouac`, 0o755);
  const node = (...words: string[]): string => run('unshare', [...ALONE, WITHIN, root, ...words]);
  node(...SAME, '-e', readFileSync(`${from}/make-bytecode.cjs`, 'utf8'), `/${PROGRAM}`, FILES);
  removeTree(`${root}${FILES}`);
  const bytecode = readFileSync(`${to}/bivouac.bytecode`);
  // Bytecode is the same for all these flags, but V8 takes it from a process of the same alone: it gets those of one without any.
  const plain = node('-p', `new vm.Script('0').createCachedData().toString('hex', ${FLAGS.join()})`);
  bytecode.write(plain.trim(), FLAGS[0], 'hex');
  writeFileSync(`${to}/bivouac.bytecode`, bytecode);
  const taken = `const own = name => fs.readFileSync('/${PROGRAM}/bivouac.' + name);
    new vm.Script(own('script').toString('latin1'), { cachedData: own('bytecode') }).cachedDataRejected === false`;
  if (node('-p', taken).trim() !== 'true') throw new Error('V8 does not take the bytecode that it made');
}

/** A CommonJS module's text as the function that Node makes of it. Pure. */
export const scriptOf = (text: string): string =>
  `(function (exports, require, module, __filename, __dirname) {${text}\n})`;
