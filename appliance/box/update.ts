/**
 * Carries out the steps of an update on the disk.
 */
import type { BoxDisk, Region } from './disk.ts';
import type { PartName } from './manifest.ts';
import type { ByteSource } from './tar.ts';
import { CHUNK, type Digest, digestOf, type UpdateFile } from './update-file.ts';
import { SECTOR, type Step, type UpdatePlan } from './update-plan.ts';

/** Throws, with the running slot untouched, when a step fails or what is read back is not what was written. */
export function runUpdate(
  { steps }: UpdatePlan,
  update: UpdateFile,
  disk: BoxDisk,
  digest: () => Digest,
  onStep: (step: Step) => void,
): void {
  const check = (name: PartName, where: string, written: Pick<ByteSource, 'read'>): void => {
    const { size, sha256 } = update.manifest.parts[name];
    if (digestOf(written, digest(), size) === sha256) return;
    throw new Error(
      `what is read back from ${where} is not what was written: the disk is failing. The running slot is untouched`,
    );
  };
  for (const step of steps) {
    onStep(step);
    switch (step.do) {
      case 'void':
        using(disk.openEntry(step.entry), region => {
          region.write(0, new Uint8Array(Math.min(SECTOR, region.size)));
          region.flush();
        });
        break;
      case 'remove':
        disk.removeEntry(step.entry);
        break;
      case 'flush-entries':
        disk.flushEntries();
        break;
      case 'write':
        using(disk.partition(step.partition), region => {
          const part = update.part(step.part);
          if (region.size < part.size)
            throw new Error(
              `${step.part} has ${part.size} bytes, and partition ${step.partition} only ${region.size}`,
            );
          copy(part, region, 0);
          check(step.part, step.partition, region);
        });
        break;
      case 'prepare': {
        const part = update.part(step.part);
        using(disk.makeEntry(step.entry, part.size), region => copy(part, region, SECTOR));
        disk.flushEntries();
        // Opened anew: what the name leads to is what will be started.
        using(disk.openEntry(step.entry), region =>
          check(step.part, step.entry, {
            read: (at, length) => (at === 0 ? part.read(0, SECTOR) : region.read(at, length)),
          }),
        );
        break;
      }
      case 'commit':
        using(disk.openEntry(step.entry), region => {
          region.write(0, update.part(step.part).read(0, SECTOR));
          region.flush();
          check(step.part, step.entry, region);
        });
    }
  }
}

function copy(from: ByteSource, to: Region, start: number): void {
  for (let at = start; at < from.size; ) {
    const bytes = from.read(at, CHUNK);
    if (bytes.length === 0) throw new Error('the update cannot be read any more');
    to.write(at, bytes);
    at += bytes.length;
  }
  to.flush();
}

function using(region: Region, work: (region: Region) => void): void {
  try {
    work(region);
  } finally {
    region.close();
  }
}
