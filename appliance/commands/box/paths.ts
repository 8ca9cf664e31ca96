/**
 * Where a box has its things; tests put them below a directory of their own.
 */
import { join } from 'node:path';

export interface Paths {
  /** Of the daemon's configuration, made at each start. */
  readonly run: string;
  /** What outlives a restart. */
  readonly state: string;
  /** The mounted EFI system partition. */
  readonly esp: string;
  /** systemd-networkd's files of this run. */
  readonly network: string;
  /** The kernel's network ports. */
  readonly nics: string;
  /** networkd's leases, by the ports' numbers. */
  readonly leases: string;
  /** Where a stick is mounted while it is read. */
  readonly stick: string;
}

export const pathsBelow = (root: string): Paths => ({
  run: join(root, 'run/bivouac'),
  state: join(root, 'var/lib/bivouac/box'),
  esp: join(root, 'efi'),
  network: join(root, 'run/systemd/network'),
  nics: join(root, 'sys/class/net'),
  leases: join(root, 'run/systemd/netif/leases'),
  stick: join(root, 'run/bivouac-stick'),
});
