/**
 * Everything that a test needs to run a whole protocol exchange in virtual time:
 *
 *     const world = virtualWorld();
 *     const manager = world.network.host('manager', '10.0.0.1');
 *     const server = world.network.host('server', '10.0.0.2');
 *     await manager.net.listen(…);
 *     server.net.connect(…);
 *     await world.clock.advance(100);
 *     server.silent = true;   // or .kill(), .reboot(), .dropped.add(port); network.partition(a, b, true); network.path(a, b, { loss: 0.1 })
 */
import { VirtualClock } from './virtual/clock.ts';
import { ScriptedExec } from './virtual/exec.ts';
import { MemoryFiles } from './virtual/files.ts';
import { type RecordingLog, recordingLog } from './virtual/log.ts';
import { VirtualNetwork } from './virtual/network.ts';
import type { PathQuality } from './virtual/path.ts';
import { seededRandom } from './virtual/random.ts';

export { VirtualClock } from './virtual/clock.ts';
export { ScriptedExec } from './virtual/exec.ts';
export { MemoryFiles } from './virtual/files.ts';
export { type RecordingLog, recordingLog } from './virtual/log.ts';
export { VirtualHost, VirtualNetwork } from './virtual/network.ts';
export type { PathQuality } from './virtual/path.ts';
export { seededRandom } from './virtual/random.ts';

export interface VirtualWorld {
  readonly clock: VirtualClock;
  readonly random: ReturnType<typeof seededRandom>;
  readonly network: VirtualNetwork;
  readonly log: RecordingLog;
  readonly exec: ScriptedExec;
  readonly files: MemoryFiles;
}

/** A new world at time 0, the same for the same seed. */
export function virtualWorld(
  options: { readonly seed?: number; readonly quality?: Partial<PathQuality> } = {},
): VirtualWorld {
  const clock = new VirtualClock();
  const random = seededRandom(options.seed ?? 1);
  const network = new VirtualNetwork({ clock, random, quality: options.quality ?? {} });
  return {
    clock,
    random,
    network,
    log: recordingLog(),
    exec: new ScriptedExec(clock),
    files: new MemoryFiles(),
  };
}
