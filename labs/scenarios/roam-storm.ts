/** Many servers roam at random among three cells. However it ends, each VIP has one owner: the cell in which its server is. */
import { Storm, type StormResult } from '../roaming/storm.ts';
import { check, type Scenario } from '../scenario/scenario.ts';
import { bringUpRouting } from './bringup.ts';

const SERVERS = 60;
const SECONDS = 120;
/** The longest time that a VIP may have no owner, or two, ms. */
const LONGEST = 1000;

export const roamStorm: Scenario = {
  summary: `${SERVERS} servers roam at random among three cells for ${SECONDS} s (--servers, --seconds)`,
  hold: node => ['server', 'mobile'].includes(node.group),
  async run(stage) {
    const { lab, step, scale } = stage;
    const { servers = SERVERS, seconds = SECONDS } = scale;
    await bringUpRouting(stage, []);
    let storm: Storm | undefined;
    await step(`${servers} servers boot in three cells, and are leased a VIP each`, async () => {
      storm = await Storm.gather(lab, servers);
      return { servers };
    });
    let result: StormResult | undefined;
    await step(`they roam at random for ${seconds} s`, async () => {
      result = await storm!.rage(seconds * 1000);
      return { roams: result.roams, 'settled ms after the last': result.settledAfter };
    });
    const { vips, wrong } = result!;
    await step('each VIP has one owner, the cell in which its server is', async () => {
      check(wrong.length === 0, wrong.join('; '));
      const lost = await storm!.lost();
      check(lost.length === 0, lost.join('; '));
      return { VIPs: vips.length, 'changes of owner': vips.reduce((sum, { moves }) => sum + moves, 0) };
    });
    await step('none was long without an owner, or with two', async () => {
      const none = Math.max(...vips.map(({ longestNone }) => longestNone));
      const many = Math.max(...vips.map(({ longestMany }) => longestMany));
      await storm!.stop();
      check(none < LONGEST, `one had no owner for ${none.toFixed(0)} ms`);
      check(many < LONGEST, `one had two owners for ${many.toFixed(0)} ms`);
      return { 'longest without an owner ms': none, 'longest with two ms': many };
    });
  },
};
