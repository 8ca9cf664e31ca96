/** All that any data-plane driver is to do, in each of its forwarding modes. */
import { flows } from './flows.ts';
import { life, release } from './life.ts';
import { persistence } from './persistence.ts';
import type { Behaviour, Rig } from './rig.ts';
import { sharing } from './sharing.ts';

/** In any order, but for `release`, which is last. */
export const BEHAVIOURS: readonly Behaviour[] = [...sharing, ...flows, ...persistence, ...life];
export const LAST: Behaviour = release;

/** Runs one on a rig that has nothing to carry. */
export async function show(rig: Rig, behaviour: Behaviour): Promise<void> {
  const problems = await rig.apply();
  if (problems.length > 0) throw new Error(`the driver is not at rest: ${problems.join('; ')}`);
  await behaviour.run(rig);
}
