import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applies, Rig } from '../driver-suite/rig.ts';
import { nftables } from '../driver-suite/subjects.ts';
import { BEHAVIOURS, LAST, show } from '../driver-suite/suite.ts';

/** A machine with much else to do is as slow as that. */
const PACE = 20;

for (const mode of nftables.modes)
  describe(`the nftables driver, mode ${mode}`, { shuffle: false }, () => {
    let rig: Rig;
    beforeAll(async () => {
      rig = await Rig.make(nftables, mode, PACE);
    });
    afterAll(() => rig.dispose());

    for (const behaviour of [...BEHAVIOURS, LAST].filter(each => applies(each, nftables, mode)))
      test(behaviour.name, async () => {
        await expect(show(rig, behaviour)).resolves.toBeUndefined();
      });
  });
