/**
 * The disk: a GPT with the EFI system partition, two slots of root and verity, and the state.
 */
import type { Sizes } from '../profile.ts';

export interface Partition {
  /** GPT's partition name, by which everything finds it. */
  readonly name: 'esp' | 'root-a' | 'verity-a' | 'root-b' | 'verity-b' | 'state';
  /** GPT partition type, as sgdisk's code or a GUID (UAPI.2 Discoverable Partitions). */
  readonly type: string;
  /** In sectors of 512 bytes. */
  readonly start: number;
  readonly sectors: number;
}

export const SECTOR = 512;
const MIB = (1024 * 1024) / SECTOR;

/** Of the root and its verity, by architecture, so that tools name them rightly. */
const ROOT_TYPES = {
  amd64: ['4f68bce3-e8cd-4db1-96e7-fbcaf984b709', '2c7357ed-ebd2-46d9-aec1-23d437ec2bf5'],
  arm64: ['b921b045-1df0-41c3-af44-4c6f280d3fae', 'df3300ce-d69f-4c92-978c-9bfb0f38d820'],
} as const;

/** The partitions in their order, each on a boundary of 1 MiB. */
export function layoutOf(sizes: Sizes, architecture: keyof typeof ROOT_TYPES): readonly Partition[] {
  const [root, verity] = ROOT_TYPES[architecture];
  const order: readonly (readonly [Partition['name'], string, number])[] = [
    ['esp', 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b', sizes.esp],
    ['root-a', root, sizes.root],
    ['verity-a', verity, sizes.verity],
    ['root-b', root, sizes.root],
    ['verity-b', verity, sizes.verity],
    ['state', '4d21b016-b534-45c2-a9fb-5c16e091fd2d', sizes.state],
  ];
  let start = MIB;
  return order.map(([name, type, size]) => {
    const partition = { name, type, start, sectors: size * MIB };
    start += partition.sectors;
    return partition;
  });
}

/** Bytes of the whole disk: the partitions, and 1 MiB for the second table at its end. */
export function diskSize(partitions: readonly Partition[]): number {
  const end = Math.max(...partitions.map(({ start, sectors }) => start + sectors));
  return (end + MIB) * SECTOR;
}
