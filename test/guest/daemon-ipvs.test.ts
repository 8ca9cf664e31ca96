import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GuestProgram } from '../support/guest-program.ts';
import { startGuestProgram } from '../support/guest-source.ts';

describe('a manager on a kernel with IPVS', { shuffle: false }, () => {
  let guest: GuestProgram;
  beforeAll(async () => {
    guest = await startGuestProgram('test/guest/programs/daemon-ipvs.ts');
  });
  afterAll(() => guest?.stop());

  test.each([
    ['start', 'it starts, and leaves IPVS alone'],
    ['register', 'servers whose service asks for least connections are balanced by IPVS'],
    ['restart', 'it is killed and comes back: no connection is lost'],
    ['die', 'a server dies: its clients are reset, the others go on'],
    ['refuse', 'what neither nftables nor IPVS can carry is refused'],
    ['stop', 'it stops, and leaves nothing behind'],
  ])('%s: %s', async name => {
    await expect(guest.ask(name, null, 280_000)).resolves.toBeNull();
  });
});
