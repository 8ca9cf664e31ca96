/**
 * The emulator is killed at random moments of an update, from its first byte to the first healthy start of the new slot: each time the box
 * comes back healthy, before the commit from the slot that ran, and after it from either. The moments are spread over the update's parts,
 * so that the short ones get their share. How often: BIVOUAC_CUTS (20); where: BIVOUAC_SEED, which it says; how many boxes at once: BIVOUAC_LANES (2).
 *
 * Each cut goes on from one healthy box that was kept, memory and disk, before its update.
 */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Box, type Frozen, type Slot } from '../support/box.ts';
import { newestOrMade, remake } from '../support/box-images.ts';
import { seededRandom } from '../support/virtual/random.ts';

const CUTS = Number(process.env['BIVOUAC_CUTS'] ?? 20);
const SEED = Number(process.env['BIVOUAC_SEED'] ?? Date.now() % 1_000_000);
/** Boxes at once; each takes a processor of this machine. */
const LANES = Number(process.env['BIVOUAC_LANES'] ?? 2);

/** What an update goes through, in its order, and how many of ten cuts fall between each and the next. */
const PARTS = { begins: 3, entry: 1.5, commit: 1.5, restarts: 1, loader: 2, healthy: 1 } as const;
type Part = keyof typeof PARTS;
const ORDER = Object.keys(PARTS) as Part[];

/** ms since the update began at which each part did. */
type Moments = Readonly<Record<Part, number>>;

const { image, update, version } = await newestOrMade('x86_64-uefi');
const next = version.replace(/^\d+\.\d+\./, '0.99.');
const configuration = {
  name: 'cell-a',
  plain: true,
  access: ['lan'],
  pools: ['10.255.1.0/24'],
  // SSH finds it there: QEMU's DHCP server gives another address after a restart of a box that was kept.
  box: { links: { wan: { dhcp: true, addresses: ['10.0.2.15/24'] } } },
};
const clock = 'instructions';
const boxes = [new Box({ image, configuration, clock })];
afterAll(() => Promise.all(boxes.map(box => box.dispose())));

/** Runs the update and the restart behind it; calls `onPart` when each of their parts begins. Ends when the box is healthy again, or cut. */
async function updated(box: Box, onPart: (part: Part) => void): Promise<void> {
  const told = new Set<Part>();
  const begins = (part: Part): void => {
    if (!told.has(part)) onPart(part);
    told.add(part);
  };
  begins('begins');
  const mark = box.guest.console().length;
  const onOutput = (said: string): void => {
    if (/^writing bivouac-/m.test(said)) begins('entry');
    if (/^making /m.test(said)) begins('commit');
  };
  const { guest } = box;
  const said = await box.run('bivouac update /state/new.update', { onOutput, timeout: 1_800_000 });
  if (!told.has('commit')) throw new Error(`the update ended: ${JSON.stringify(said)}\n${guest.last()}`);
  begins('restarts');
  // The firmware hands over to systemd-boot, which counts the start.
  await guest.until(/BdsDxe: starting/, 600_000, mark);
  begins('loader');
  await guest.until(/the manager is ready/, 1_200_000, mark);
  begins('healthy');
}

/** In which part, and how far into it (0 to 1). */
interface Cut {
  readonly part: Part;
  readonly share: number;
}

/** The moments, spread by PARTS. */
function draw(count: number): Cut[] {
  const random = seededRandom(SEED);
  const whole = Object.values(PARTS).reduce((sum, share) => sum + share, 0);
  return Array.from({ length: count }, (_, index) => {
    let at = ((index + random.uniform()) / count) * whole;
    for (const part of ORDER) {
      if (at < PARTS[part]) return { part, share: at / PARTS[part] };
      at -= PARTS[part];
    }
    return { part: 'healthy', share: 1 };
  });
}

/** How long the part took undisturbed, ms. What comes after it was healthy is as long as the commit. */
function lengthOf(part: Part, moments: Moments): number {
  const following = ORDER[ORDER.indexOf(part) + 1];
  return following === undefined ? lengthOf('commit', moments) : moments[following] - moments[part];
}

/** Kills it there; gives how far it had come, and the slots once it is healthy again. */
async function cutOnce(
  box: Box,
  frozen: Frozen,
  { part, share }: Cut,
  moments: Moments,
): Promise<{ readonly reached: Part; readonly slots: readonly Slot[] }> {
  await box.thaw(frozen);
  await box.until('true', ({ status }) => status === 0);
  let kill: Promise<void> | undefined;
  let reached: Part = 'begins';
  const after = share * lengthOf(part, moments);
  const dead = new Promise<void>((resolve, reject) => {
    updated(box, begun => {
      if (kill === undefined) reached = begun;
      if (begun === part)
        setTimeout(() => {
          kill = box.cut();
          kill.then(resolve, reject);
        }, after);
    }).catch(error => {
      if (kill === undefined) reject(error);
    });
  });
  await dead;
  await box.start();
  // A log-in costs an emulated box seconds: it is not asked before it has said so.
  await box.guest.until(/the manager is ready/, 1_200_000);
  return { reached, slots: await box.judged() };
}

test(`power cuts at ${CUTS} moments of an update leave a box that starts`, async () => {
  const [box] = boxes as [Box];
  await box.start();
  await box.guest.until(/the manager is ready/, 1_200_000);
  await box.judged();
  const file = join(box.directory, 'new.update');
  remake(update, file, next);
  expect((await box.run('cat > /state/new.update && sync', { input: file })).status).toBe(0);
  const frozen = await box.freeze();
  // How long one takes here, undisturbed.
  await box.thaw(frozen);
  const moments = {} as Record<Part, number>;
  const began = performance.now();
  await updated(box, part => {
    moments[part] = Math.round(performance.now() - began);
  });
  expect(await box.judged()).toMatchObject([{ slot: 'b', version: next, state: 'good' }, { slot: 'a' }]);
  console.log(`seed ${SEED}; undisturbed: ${JSON.stringify(moments)}`);

  while (boxes.length < LANES) boxes.push(new Box({ image: frozen.disk, like: box, clock }));
  // Each third of them falls into all parts: who does not wait for the end has seen some of each.
  const drawn = draw(CUTS);
  const cuts = [0, 1, 2].flatMap(third => drawn.filter((_, index) => index % 3 === third));
  const outcomes: Record<string, number> = {};
  const lane = async (box: Box): Promise<void> => {
    for (let cut = cuts.shift(); cut !== undefined; cut = cuts.shift()) {
      const { reached, slots } = await cutOnce(box, frozen, cut, moments);
      const running = slots.find(({ runs }) => runs === 'yes')!;
      expect(running).toMatchObject({ state: 'good', version: running.slot === 'a' ? version : next });
      // What is not committed never runs; what is, and was flushed, is tried next. In between its word of that may not have come yet.
      if (reached === 'begins') expect(running.slot).toBe('a');
      if (['restarts', 'loader', 'healthy'].includes(reached)) expect(running.slot).toBe('b');
      const outcome = `${reached}: slot ${running.slot}`;
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      const after = Math.round(cut.share * lengthOf(cut.part, moments));
      console.log(
        `${after} ms after '${cut.part}', when '${reached}' had begun: slot ${running.slot}, ${slots.length} entries`,
      );
    }
  };
  await Promise.all(boxes.map(lane));
  console.log(JSON.stringify(outcomes));

  // What was cut short is no obstacle to the next try.
  await cutOnce(box, frozen, { part: 'begins', share: 0.5 }, moments);
  await updated(box, () => {});
  expect(await box.judged()).toMatchObject([{ slot: 'b', version: next, state: 'good' }, { slot: 'a' }]);
}, 14_400_000);
