import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applies } from '../driver-suite/rig.ts';
import { ipvs, nftables } from '../driver-suite/subjects.ts';
import { BEHAVIOURS, LAST } from '../driver-suite/suite.ts';
import type { GuestProgram } from '../support/guest-program.ts';
import { startGuestProgram } from '../support/guest-source.ts';

let guest: GuestProgram;
beforeAll(async () => {
  guest = await startGuestProgram('test/guest/programs/driver-suite.ts');
});
afterAll(() => guest?.stop());

for (const subject of [ipvs, nftables])
  for (const mode of subject.modes)
    describe(`the ${subject.name} driver in the guest, mode ${mode}`, { shuffle: false }, () => {
      beforeAll(async () => {
        await guest.ask('prepare', { driver: subject.name, mode }, 450_000);
      });
      for (const behaviour of [...BEHAVIOURS, LAST].filter(each => applies(each, subject, mode)))
        test(behaviour.name, async () => {
          await expect(guest.ask('show', { behaviour: behaviour.name })).resolves.toBeNull();
        });
    });
