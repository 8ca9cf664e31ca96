import { afterAll, expect, test } from 'vitest';
import { adopt } from '../../appliance/dataplane/adopt.ts';
import { renderLayout } from '../../appliance/dataplane/layout.ts';
import { createExec } from '../../appliance/host/exec.ts';
import { spawnedNft } from '../../appliance/host/libnftables.ts';
import { inside } from '../support/dataplane.ts';
import { Network } from '../support/netns.ts';

const network = new Network();
afterAll(() => network.dispose());

test('without the library, the program nft does the same', async () => {
  const namespace = network.namespace('spawned');
  await inside(namespace, async () => {
    const nft = spawnedNft(createExec());
    expect(await adopt(nft, 9747)).toEqual({ what: 'nothing' });
    expect(await nft.run(renderLayout(9747))).toMatchObject({ ok: true, error: '' });
    expect((await nft.run('add element inet bivouac live { 1, x }')).error).toContain('x');
    expect((await adopt(nft, 9747)).what).toBe('ours');
    expect(await adopt(nft, 9748)).toMatchObject({ what: 'foreign' });
  });
});
