import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Table } from '../../../appliance/registry/table.ts';
import { linesOf, readListings } from '../../../appliance/routing/kernel-form.ts';
import { carry, plan, stepOf } from '../../../appliance/routing/plan.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';

const METRICS = [20, 120, 220];
const vips = fc.constantFrom(
  ...['10.50.0.1', '10.50.0.2', '10.50.0.3', '10.50.0.4', 'fd50::1', 'fd50::2'].map(address),
);
const wantedOf = fc.array(fc.tuple(vips, fc.constantFrom(...METRICS)), { maxLength: 8 });
const carriedOf = fc.array(fc.tuple(vips, fc.nat(2)), { maxLength: 8 }).map(entries => new Map(entries));

describe('plan', () => {
  it('leads to what is wanted, and then to nothing more', () => {
    fc.assert(
      fc.property(wantedOf, carriedOf, (entries, carried) => {
        const wanted = Table.from(entries);
        const after = new Map(carried);
        for (const step of plan(wanted, carried, METRICS)) carry(after, step);
        expect([...after.keys()].sort()).toEqual([...wanted.keys()].sort());
        for (const [vip, step] of after) expect(METRICS[step]).toBe(vip.includes(':') ? 20 : wanted.get(vip));
        expect(plan(wanted, after, METRICS)).toEqual([]);
      }),
    );
  });

  it('adds before it removes, and touches nothing that stays', () => {
    fc.assert(
      fc.property(wantedOf, carriedOf, (entries, carried) => {
        const wanted = Table.from(entries);
        const steps = plan(wanted, carried, METRICS);
        const order = steps.map(({ type }) => ['add', 'change', 'remove'].indexOf(type));
        expect(order).toEqual([...order].sort());
        expect(new Set(steps.map(({ vip }) => vip)).size).toBe(steps.length);
        for (const { type, vip } of steps) {
          expect(carried.has(vip)).toBe(type !== 'add');
          expect(wanted.has(vip)).toBe(type !== 'remove');
        }
      }),
    );
  });
});

it.each([
  [1, 0],
  [20, 0],
  [69, 0],
  [71, 1],
  [120, 1],
  [9999, 2],
])('takes metric %i as step %i', (metric, step) => {
  expect(stepOf(metric, METRICS)).toBe(step);
});

describe('the kernel’s form', () => {
  const vip = address('10.50.0.1');

  it('of an external VIP: answered by the host before it is advertised, and longer', () => {
    expect(linesOf('external', { type: 'add', vip, step: 0 })).toEqual([
      'route add local 10.50.0.1/32 dev lo table local proto 98',
      'route add 10.50.0.1/32 dev lo proto 98',
    ]);
    expect(linesOf('external', { type: 'remove', vip, step: 2 })).toEqual([
      'route delete 10.50.0.1/32 proto 98',
      'route delete local 10.50.0.1/32 dev lo table local proto 98',
    ]);
  });

  it('of a metric: the next hop', () => {
    expect(linesOf('external', { type: 'change', vip, step: 2 })).toEqual([
      'route replace 10.50.0.1/32 via 192.0.2.2 dev lo onlink proto 98',
    ]);
    expect(linesOf('external', { type: 'add', vip: address('fd50::1'), step: 2 })[1]).toBe(
      'route add fd50::1/128 dev lo proto 98',
    );
  });

  it('of an internal VIP: an address with our mark', () => {
    expect(linesOf('internal', { type: 'add', vip, step: 0 })).toEqual([
      'address add 10.50.0.1/32 dev lo metric 98',
    ]);
    expect(linesOf('internal', { type: 'add', vip: address('fd50::1'), step: 0 })).toEqual([
      'address add fd50::1/128 dev lo metric 98 nodad',
    ]);
    expect(linesOf('internal', { type: 'remove', vip, step: 0 })).toEqual([
      'address delete 10.50.0.1/32 dev lo',
    ]);
  });

  it('is found again among routes; a half is neither ours to keep nor foreign', () => {
    const main4 = [
      { dst: '10.50.0.1', dev: 'lo', scope: 'link', flags: [] },
      { dst: '10.50.0.2', gateway: '192.0.2.2', dev: 'lo', flags: ['onlink'] },
      { dst: '10.50.0.3', dev: 'lo', flags: [] },
    ];
    const local4 = ['10.50.0.1', '10.50.0.2', '10.50.0.4'].map(dst => ({ type: 'local', dst, dev: 'lo' }));
    const { carried, broken } = readListings('external', [
      JSON.stringify(main4),
      JSON.stringify(local4),
      '',
      '[ ]',
    ]);
    expect(carried).toEqual(
      new Map<Address, number>([
        [address('10.50.0.1'), 0],
        [address('10.50.0.2'), 2],
      ]),
    );
    expect(broken).toEqual(['10.50.0.3', '10.50.0.4']);
  });

  it('is found again among addresses, and foreign ones are not', () => {
    const addresses = [
      { family: 'inet', local: '127.0.0.1', prefixlen: 8 },
      { family: 'inet', local: '10.50.0.1', prefixlen: 32, metric: 98 },
      { family: 'inet', local: '10.50.0.2', prefixlen: 32 },
      { family: 'inet', local: '10.50.0.3', prefixlen: 24, metric: 98 },
      { family: 'inet6', local: 'fd50::1', prefixlen: 128, metric: 98 },
    ];
    const { carried } = readListings('internal', [JSON.stringify([{ ifname: 'lo', addr_info: addresses }])]);
    expect([...carried]).toEqual([
      ['10.50.0.1', 0],
      ['fd50::1', 0],
    ]);
  });
});
