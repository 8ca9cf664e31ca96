import { expect, test } from 'vitest';
import type { Farm, WantedDataplane } from '../../../appliance/desired/wanted.ts';
import { createBeside, type Dataplane } from '../../../appliance/ipvs/beside.ts';
import { capabilitiesOf, isForIpvs } from '../../../appliance/ipvs/choose.ts';
import { createPassiveDataplane } from '../../../appliance/reconciler/passive.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { Forward } from '../../../sdk/wire/model.ts';
import { wanted } from '../../support/dataplane.ts';
import { service } from '../../support/registry.ts';
import { farm, member } from '../dataplane/farms.ts';

const A = member('10.1.0.11');
const six = address('fd50::1');

test.each<[string, Farm, 'nftables' | 'ipvs', 'nftables' | 'ipvs']>([
  ['nat', farm([A]), 'nftables', 'ipvs'],
  ['direct', farm([A], { mode: 'direct' }), 'nftables', 'ipvs'],
  ['a tunnel', farm([A], { mode: 'tunnel' }), 'ipvs', 'ipvs'],
  ['least connections', farm([A], { scheduler: 'wlc' }), 'ipvs', 'ipvs'],
  ['maglev', farm([A], { scheduler: 'maglev' }), 'ipvs', 'ipvs'],
  ['direct IPv6', farm([member('fd01::1')], { vip: six, mode: 'direct' }), 'ipvs', 'ipvs'],
  ['SCTP', farm([A], { transport: 'sctp' }), 'ipvs', 'ipvs'],
  ['part of an address', farm([A], { affinity: 9, affinityPrefix: 24 }), 'ipvs', 'ipvs'],
  ['a long range', farm([A], { ports: { first: 10_000, last: 20_000 } }), 'nftables', 'nftables'],
  // Neither can: the one that is asked first says why.
  ['a stranger', farm([member('fd01::1')]), 'nftables', 'ipvs'],
])('%s goes where it can be carried', (_, wish, auto, ipvs) => {
  expect(isForIpvs('auto')(wish)).toBe(auto === 'ipvs');
  expect(isForIpvs('ipvs')(wish)).toBe(ipvs === 'ipvs');
  expect(isForIpvs('nftables')(wish)).toBe(false);
});

const forwarded = (forward: Partial<Forward>, rest: object = {}): ReturnType<typeof service> =>
  service(address('10.255.0.1'), {
    forward: { mode: 'nat', scheduler: 'wrr', affinity: 0, ...forward },
    ...rest,
  });

test('what can be asked for goes by what there is', () => {
  const [without, both] = [capabilitiesOf('auto', false), capabilitiesOf('auto', true)];
  expect(without.schedulers).toEqual(['wrr', 'source-hash']);
  expect(without.modes).not.toContain('tunnel');
  expect(both.modes).toEqual(['nat', 'direct', 'redirect', 'none', 'tunnel']);
  expect(both.schedulers).toEqual(['wrr', 'source-hash', 'wlc', 'maglev']);
  for (const can of [
    forwarded({}),
    forwarded({ mode: 'tunnel', scheduler: 'maglev' }),
    forwarded({ affinity: 5, affinityBy: 'sip' }, { transport: 'udp' }),
    forwarded({}, { transport: 'sctp' }),
    forwarded({ mode: 'none' }, { transport: 'sctp' }),
  ])
    expect(both.cannotCarry(can)).toBeUndefined();
  expect(without.cannotCarry(forwarded({ affinity: 5, affinityPrefix: 24 }))).toMatch(/needs IPVS/);
  expect(both.cannotCarry(forwarded({ affinity: 5, affinityBy: 'sip' }))).toMatch(/Call-ID is for UDP/);
  expect(both.cannotCarry(forwarded({ scheduler: 'wlc' }, { ports: [{ first: 1000, last: 2000 }] }))).toMatch(
    /at most 256 ports/,
  );
});

test('a farm that changes sides is taken up before it is given up, and counted once', async () => {
  const said: string[] = [];
  const spy = (name: string): Dataplane => {
    const passive = createPassiveDataplane();
    return {
      ...passive,
      async apply(all: WantedDataplane) {
        said.push(`${name} ${[...all.farms.keys()].join()} ${all.vips.size}`);
        return passive.apply(all);
      },
      connections: async () => new Map(),
      release: async () => void said.push(`${name} released`),
    };
  };
  const driver = createBeside(spy('nftables'), spy('ipvs'), isForIpvs('auto'));
  const { key } = farm([A]);
  const reached = async (...farms: Farm[]): Promise<unknown> => [
    ...(await driver.apply(wanted(farms, ['10.50.0.1']))).reached.entries(),
  ];
  expect(await reached(farm([A]))).toEqual([[key, 1]]);
  expect(await reached(farm([A], { scheduler: 'wlc' }))).toEqual([[key, 1]]);
  expect(await reached(farm([A, member('10.1.0.12')]))).toEqual([[key, 2]]);
  expect(await reached()).toEqual([]);
  await driver.release();
  expect(said).toEqual([
    ...[`nftables ${key} 1`, 'ipvs  1'],
    ...[`ipvs ${key} 1`, 'nftables  1'],
    ...[`nftables ${key} 1`, 'ipvs  1'],
    ...['nftables  1', 'ipvs  1'],
    ...['ipvs released', 'nftables released'],
  ]);
});
