/**
 * The emulator is killed at random moments of an update: each time the box comes back healthy, from the slot that ran before or from the new
 * one. How often: BIVOUAC_CUTS (20).
 */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Box } from '../support/box.ts';
import { newest, remake } from '../support/box-images.ts';

const CUTS = Number(process.env['BIVOUAC_CUTS'] ?? 20);
const { image, update, version } = newest();
const box = new Box({
  image,
  configuration: {
    name: 'cell-a',
    plain: true,
    access: ['lan'],
    pools: ['10.255.1.0/24'],
    box: { links: { wan: { dhcp: true } } },
  },
});
afterAll(() => box.dispose());

test(`power cuts at ${CUTS} random moments of an update leave a box that starts`, async () => {
  await box.start();
  await box.judged();
  const file = join(box.directory, 'new.update');
  remake(update, file, version.replace(/^\d+\.\d+\./, '0.99.'));
  expect((await box.run('cat > /state/new.update && sync', { input: file })).status).toBe(0);
  // How long one takes here, undisturbed.
  const began = performance.now();
  const first = await box.run('bivouac update --no-reboot /state/new.update', { timeout: 1_800_000 });
  expect(first).toMatchObject({ status: 0 });
  const length = performance.now() - began;
  const outcomes: Record<string, number> = {};
  for (let cut = 1; cut <= CUTS; cut++) {
    const moment = length * Math.random() * 1.05;
    const updating = box.run('bivouac update --no-reboot /state/new.update', { timeout: 1_800_000 });
    await new Promise(resolve => setTimeout(resolve, moment));
    await box.cut();
    await updating;
    await box.start();
    const slots = await box.judged();
    const running = slots.find(({ runs }) => runs === 'yes');
    expect(running).toMatchObject({ state: 'good' });
    const outcome = `slot ${running!.slot}, ${slots.length} entries`;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    console.log(`cut ${cut} after ${Math.round(moment)} of ${Math.round(length)} ms: ${outcome}`);
  }
  console.log(JSON.stringify(outcomes));
}, 14_400_000);
