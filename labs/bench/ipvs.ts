/**
 * The IPVS driver beside keepalived, which drives the same IPVS, and beside the nftables driver: all in one guest of QEMU's with Debian's kernel,
 * since a kernel that runs tests need not have IPVS. The guest's clock counts instructions, 10^9 a second, and all that is measured is by that clock:
 * the figures are those of one small processor, and the same on a machine that is busy. By this machine's clock an emulated Node would be 10 to 30
 * times as slow while timers keep their time, and a balancer that waits for its next check would look quick beside one that has something to do.
 */
import { join } from 'node:path';
import { bootGuestProgram } from '../../test/support/guest-program.ts';
import { type Figure, ratios, sample } from './figure.ts';
import type { Measured } from './ipvs/balancers.ts';
import { bundles } from './role.ts';

/** ms for one measurement of all three; emulation is slow, and the machine may have more to do. */
const EACH = 240_000;

/** Measures; needs root, QEMU and keepalived. */
export async function ipvsFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const guest = await bootGuestProgram(join(bundles, 'bench-ipvs-guest.mjs'));
  try {
    const ask = async (what: string, args: object = {}): Promise<Measured> =>
      (await guest.ask(what, { runs, ...args }, EACH * (runs + 1))) as Measured;
    const figure = (name: string, unit: string, measured: Measured, goal: string, less: boolean): Figure => {
      const { ipvs, keepalived, nftables } = measured;
      const ratio = ratios(ipvs, keepalived);
      return {
        ...{ name, unit, ratio },
        ours: sample(ipvs),
        beside: [
          { name: 'keepalived with IPVS', sample: sample(keepalived) },
          { name: 'the nftables driver', sample: sample(nftables) },
        ],
        goal,
        met: less ? ratio.median <= 1 : ratio.median >= 0.9,
      };
    };
    const figures = [
      figure(
        'IPVS, server process killed: last answer → first from another, TCP',
        'ms',
        await ask('failover'),
        "≤ keepalived's",
        true,
      ),
    ];
    for (const mode of ['nat', 'direct'] as const) {
      const measured = (await guest.ask('path', { runs, mode }, 2 * EACH * (runs + 1))) as {
        readonly connections: Measured;
        readonly throughput: Measured;
      };
      const goal = "≥ 0.9 × keepalived's";
      figures.push(
        figure(`IPVS, connections in ${mode} mode`, '/s', measured.connections, goal, false),
        figure(`IPVS, throughput in ${mode} mode`, 'Gbit/s', measured.throughput, goal, false),
      );
    }
    return figures;
  } finally {
    await guest.stop();
  }
}
