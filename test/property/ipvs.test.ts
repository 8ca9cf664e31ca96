import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Farm } from '../../appliance/desired/wanted.ts';
import { adopt } from '../../appliance/ipvs/adopt.ts';
import { Cutter } from '../../appliance/ipvs/cutter.ts';
import { createIpvs } from '../../appliance/ipvs/ipvs.ts';
import { layFarm, type VirtualService } from '../../appliance/ipvs/layout.ts';
import { Untracked } from '../../appliance/ipvs/untracked.ts';
import { address } from '../../sdk/wire/address.ts';
import { wanted } from '../support/dataplane.ts';
import { VirtualClock } from '../support/virtual.ts';
import { farm, member } from '../unit/dataplane/farms.ts';
import { FAMILY, FakeIpvs, FakeNft, FakeRoutes } from '../unit/ipvs/kernel.ts';

const anyMember = fc.record({
  last: fc.integer({ min: 1, max: 4 }),
  weight: fc.integer({ min: 1, max: 1000 }),
  accepts: fc.boolean(),
});

/** At one of a few places, so that farms change more often than they come. */
const anyFarm: fc.Arbitrary<Farm> = fc
  .record({
    vip: fc.constantFrom(...['10.50.0.1', '10.50.0.2', 'fd50::1'].map(address)),
    transport: fc.constantFrom('tcp' as const, 'udp' as const),
    ports: fc.constantFrom({ first: 80, last: 80 }, { first: 90, last: 92 }),
    mode: fc.constantFrom('nat' as const, 'direct' as const, 'tunnel' as const),
    scheduler: fc.constantFrom(...(['wrr', 'wlc', 'source-hash', 'maglev'] as const)),
    affinity: fc.constantFrom(0, 60),
    affinityPrefix: fc.constantFrom(24, 32),
    members: fc.uniqueArray(anyMember, { selector: ({ last }) => last, minLength: 1 }),
  })
  .map(({ members, ...rest }) =>
    farm(
      members.map(({ last, ...each }) =>
        member(rest.vip.includes(':') ? `fd01::${last}` : `10.1.0.${last}`, each),
      ),
      rest,
    ),
  );

const state = fc.uniqueArray(anyFarm, { selector: ({ key }) => key, maxLength: 6 });

/** All services by name, destinations as rows. */
const told = (services: Iterable<VirtualService>): unknown =>
  [...services]
    .map(({ destinations, ...rest }) => ({
      ...rest,
      destinations: [...destinations.values()].sort((one, other) => (one.address < other.address ? -1 : 1)),
    }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));

test('whatever was wanted before, and whenever the daemon was killed, IPVS holds what is wanted, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ farms: state, killed: fc.boolean() }), { minLength: 1, maxLength: 6 }),
      async turns => {
        const [ipvs, routes, clock] = [new FakeIpvs(), new FakeRoutes(), new VirtualClock()];
        const nft = new FakeNft();
        const open = (): ReturnType<typeof createIpvs> =>
          createIpvs({
            ...{ ipvs, routes, clock, family: FAMILY, log: () => {} },
            sysctl: { read: () => '1', write: () => undefined, list: () => [] },
            memory: { read: () => '', write: () => {} },
            untracked: new Untracked({ open: () => nft, anycastPort: 9747, log: () => {} }),
            cutter: new Cutter({
              ...{ clock, log: () => {}, read: async () => {} },
              sender: { send: async () => {}, close: () => {} },
            }),
          });
        let driver = open();
        for (const { farms, killed } of turns) {
          if (killed) driver = open();
          const { reached, problems } = await driver.apply(wanted(farms));
          expect(problems).toEqual([]);
          expect(new Map(reached.entries())).toEqual(
            new Map(farms.map(each => [each.key, each.members.length])),
          );
          // Read back as a daemon that starts would.
          const found = await adopt(ipvs, routes, FAMILY);
          expect(told(found.services.values())).toEqual(told(farms.flatMap(layFarm)));
          expect(nft.listed?.size ?? 0).toBe(found.services.size);
          expect(new Set(found.vips)).toEqual(new Set(farms.map(({ vip }) => vip)));
          // And nothing is done twice.
          ipvs.commands.length = 0;
          await driver.apply(wanted(structuredClone(farms)));
          expect(ipvs.commands).toEqual([]);
        }
      },
    ),
    { numRuns: 100 },
  );
});
