/** What runs in the guest: shows one behaviour of the driver suite after the other, as it is asked. */
import { applies, Rig, type Subject } from '../../driver-suite/rig.ts';
import { ipvs, nftables } from '../../driver-suite/subjects.ts';
import { BEHAVIOURS, LAST, show } from '../../driver-suite/suite.ts';
import { type Reply, Talk } from '../../support/dataplane.ts';
import { serve } from '../../support/guest-channel.ts';

/** Emulation is about so much slower. */
const PACE = 20;
const SUBJECTS: readonly Subject[] = [nftables, ipvs];

let rig: Rig | undefined;

Talk.patience = 20_000;

await serve({
  /** Makes the rig of a driver and a mode, in place of the one before. */
  async prepare({ driver, mode }: { readonly driver: string; readonly mode: Reply }) {
    await rig?.dispose();
    rig = undefined;
    rig = await Rig.make(SUBJECTS.find(each => each.name === driver)!, mode, PACE);
  },
  async show({ behaviour }: { readonly behaviour: string }) {
    const found = [...BEHAVIOURS, LAST].find(each => each.name === behaviour);
    if (rig === undefined || found === undefined || !applies(found, rig.subject, rig.mode))
      throw new Error(`there is nothing to show '${behaviour}' on`);
    await show(rig, found);
  },
});
