/**
 * Puts a mission's bundle together (box/bundle.ts): a configuration, with the files that it names, under plain names.
 */
import { basename, dirname, resolve } from 'node:path';
import { CONFIGURATION, namedFiles, renameFiles, writeBundle } from '../box/bundle.ts';
import { type Candidate, chooseConfiguration } from '../box/choose.ts';
import type { Files } from '../host/ports.ts';
import { pairPaths } from '../pki/authority.ts';
import { checkCredentials } from './box/credentials.ts';

/** The bundle's bytes. Throws an Error that says what a box would refuse. */
export function bundleOf(
  files: Files,
  request: { readonly directory: string; readonly name: string; readonly config: string },
): Uint8Array {
  const { directory, name, config } = request;
  const read = (path: string): string => {
    const text = files.read(path);
    if (text === undefined) throw new Error(`${path}: no such file`);
    return text;
  };
  const text = read(config);
  const named = new Map(
    [...namedFiles(text)].map(([purpose, path]) => [purpose, resolve(dirname(config), path)]),
  );
  // What the authority's directory has goes before paths that hold on another host.
  const { certificate, key } = pairPaths(directory, name);
  named
    .set('tls.ca', pairPaths(directory, 'ca').certificate)
    .set('tls.certificate', certificate)
    .set('tls.key', key);
  if (files.read(`${directory}/ca.crl`) !== undefined) named.set('tls.crl', `${directory}/ca.crl`);
  const names = new Map([...named].map(([purpose, path]) => [purpose, basename(path)]));
  if (new Set(names.values()).size < names.size)
    throw new Error(`two of its files have one name: ${[...names.values()].join(', ')}`);
  const whole = new Map([
    [CONFIGURATION, renameFiles(text, names)],
    ...[...named.values()].map(path => [basename(path), read(path)] as const),
  ]);
  const candidate: Candidate = { place: 'usb', path: config, files: whole };
  const { refused } = chooseConfiguration([candidate], checkCredentials);
  if (refused.length > 0) throw new Error(refused.flatMap(({ faults }) => faults).join('\n'));
  return writeBundle(whole);
}
