// Runs the manager within the root of an image, without a network, until it is ready, and writes what V8 has compiled by then: that is
// what each start needs. If it cannot get ready here (the emulator of another processor lacks something), it is what was compiled until
// then. See firmware-build/steps/bytecode.ts, which gives the directories of the program and for the manager's files.
'use strict';
const { mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { Script } = require('node:vm');

/** ms. */
const PATIENCE = 300_000;

const [program, files] = process.argv.slice(1);
mkdirSync(files);
const configuration = {
  name: 'bytecode',
  plain: true,
  pools: ['10.255.1.0/24'],
  state: `${files}/state`,
  operator: { socket: `${files}/socket` },
  dataplane: { driver: 'none' },
  routing: { driver: 'none' },
};
writeFileSync(`${files}/bivouac.json`, JSON.stringify(configuration));
process.argv = [process.argv[0], `${program}/bivouac`, 'run', '--config', `${files}/bivouac.json`];
const filename = `${program}/bivouac.script`;
const script = new Script(readFileSync(filename, 'latin1'), { filename });
const write = process.stderr.write.bind(process.stderr);
process.stderr.write = (text, ...rest) => {
  if (String(text).includes('ready ')) process.exit();
  return write(text, ...rest);
};
process.on('exit', () => {
  writeFileSync(`${program}/bivouac.bytecode`, script.createCachedData());
  process.exitCode = 0;
});
setTimeout(() => process.exit(), PATIENCE);
script.runInThisContext()({}, createRequire(filename), {}, `${program}/bivouac`, program);
