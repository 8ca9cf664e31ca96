/**
 * What a box finds: configurations on sticks, on its EFI system partition and in its state; its network ports.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Mac, parseAddress } from '../../../sdk/wire/address.ts';
import {
  BUNDLE,
  BUNDLE_LIMIT,
  type BundleFiles,
  CONFIGURATION,
  namedFiles,
  readBundle,
} from '../../box/bundle.ts';
import type { Candidate, Place } from '../../box/choose.ts';
import type { Nic } from '../../box/nics.ts';
import { textOf } from './facts.ts';
import type { Paths } from './paths.ts';

/** What stands in a directory, or in `bivouac/` there: a bundle, or a configuration with its files beside it. */
export function candidatesIn(place: Place, directory: string): Candidate[] {
  return [join(directory, 'bivouac'), directory].flatMap(where => {
    const bundle = join(where, BUNDLE);
    const configuration = join(where, CONFIGURATION);
    return [
      ...(existsSync(bundle)
        ? [{ place, path: bundle, files: attempt(() => readBundle(bounded(bundle))) }]
        : []),
      ...(existsSync(configuration)
        ? [{ place, path: configuration, files: attempt(() => beside(where)) }]
        : []),
    ];
  });
}

/** bivouac.json and what it names, as far as that is there. */
function beside(directory: string): BundleFiles {
  const text = (name: string): string => new TextDecoder().decode(bounded(join(directory, name)));
  const configuration = text(CONFIGURATION);
  const files = new Map([[CONFIGURATION, configuration]]);
  let named: ReadonlyMap<string, string>;
  try {
    named = namedFiles(configuration);
  } catch {
    return files; // No JSON: whoever judges it says so, with the line.
  }
  for (const name of named.values())
    if (/^[\w.+-]+$/.test(name) && existsSync(join(directory, name))) files.set(name, text(name));
  return files;
}

function bounded(path: string): Uint8Array {
  const { size } = statSync(path);
  if (size > BUNDLE_LIMIT) throw new Error(`it is larger than ${BUNDLE_LIMIT} bytes`);
  return readFileSync(path);
}

function attempt(read: () => BundleFiles): Candidate['files'] {
  try {
    return read();
  } catch (error) {
    return { fault: (error as Error).message };
  }
}

/** File systems that sticks have. */
const KINDS = ['vfat', 'ext4'];

/** What stands on USB sticks: each is mounted, read and unmounted again. The disk that the box was started from is none. */
export function sticks({ stick }: Paths): Candidate[] {
  const own = textOf('/run/bivouac-boot/disk')?.trim();
  const disks = readdirSync('/sys/block').filter(
    name => name !== own && realpathSync(join('/sys/block', name)).includes('/usb'),
  );
  if (disks.length === 0) return [];
  const volumes = disks.flatMap(disk => [
    disk,
    ...readdirSync(join('/sys/block', disk)).filter(name => name.startsWith(disk)),
  ]);
  mkdirSync(stick, { recursive: true, mode: 0o700 });
  return volumes.flatMap(volume => {
    if (!KINDS.some(kind => mounts(kind, volume, stick))) return [];
    try {
      return candidatesIn('usb', stick).map(found => ({
        ...found,
        path: `${volume}:${found.path.slice(stick.length)}`,
      }));
    } finally {
      execFileSync('umount', [stick]);
    }
  });
}

function mounts(kind: string, volume: string, at: string): boolean {
  try {
    const options = 'ro,nosuid,nodev,noexec';
    execFileSync('mount', ['-t', kind, '-o', options, `/dev/${volume}`, at], {
      stdio: 'pipe',
      timeout: 10_000,
    });
    return true;
  } catch {
    return false;
  }
}

/** The Ethernet ports that are hardware, with what they have now. */
export function nicsOf({ nics, leases }: Paths): Nic[] {
  const about = (name: string, what: string): string => (textOf(join(nics, name, what)) ?? '').trim();
  return readdirSync(nics)
    .filter(name => existsSync(join(nics, name, 'device')) && about(name, 'type') === '1')
    .map(name => {
      // An address that the box gave itself is no lease.
      const lease = /^ADDRESS=(\S+)$/m.exec(textOf(join(leases, about(name, 'ifindex'))) ?? '')?.[1];
      const address = lease === undefined ? undefined : parseAddress(lease);
      return {
        name,
        mac: about(name, 'address') as Mac,
        carrier: about(name, 'carrier') === '1',
        ...(address !== undefined && { lease: address }),
      };
    });
}
