/** All scenarios by name. The first is what `npm run lab` plays. */
import type { Scenario } from '../scenario/scenario.ts';
import { anycast } from './anycast.ts';
import { gslb } from './gslb.ts';
import { ipv6 } from './ipv6.ts';
import { mcuByGslb } from './mcu-by-gslb.ts';
import { network } from './network.ts';
import { partition } from './partition.ts';
import { roam } from './roam.ts';
import { roamStorm } from './roam-storm.ts';
import { story } from './story.ts';

export const scenarios: Readonly<Record<string, Scenario>> = {
  story,
  network,
  ipv6,
  roam,
  'roam-storm': roamStorm,
  partition,
  anycast,
  gslb,
  'mcu-by-gslb': mcuByGslb,
};
