import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OpenVty } from '../../../appliance/host/ports.ts';
import { Table } from '../../../appliance/registry/table.ts';
import type { RouteKind } from '../../../appliance/routing/config.ts';
import { createFrr } from '../../../appliance/routing/frr.ts';
import { type Address, address, type Prefix } from '../../../sdk/wire/address.ts';
import { FakeIp } from '../../support/fake-ip.ts';
import { VirtualClock } from '../../support/virtual/clock.ts';
import { recordingLog } from '../../support/virtual/log.ts';

/** No FRR anywhere: the kernel's part must work all the same. */
const openVty: OpenVty = async path => {
  throw new Error(`${path}: connect ENOENT`);
};

function start(kind: RouteKind, exec = new FakeIp()) {
  const clock = new VirtualClock();
  const log = recordingLog();
  const frr = createFrr(
    {
      kind,
      metrics: [20, 120],
      prefixes: ['10.50.0.0/16' as Prefix],
      sockets: '/run/frr',
      tune: true,
    },
    { exec, clock, log, openVty },
  );
  return { frr, exec, clock, log };
}

const want = (...vips: readonly string[]) => ({
  routes: Table.from(vips.map(vip => [address(vip), 20] as const)),
});
const reachedOf = ({ reached }: { readonly reached: Table<Address, number> }) => [...reached.keys()].sort();

describe.each(['external', 'internal'] as const)('the driver, %s', kind => {
  it('reaches any wanted state from any other, whatever others do to the kernel', async () => {
    const vips = fc.uniqueArray(fc.constantFrom('10.50.0.1', '10.50.0.2', '10.50.0.3', 'fd50::1'));
    const moves = fc.array(
      fc.record({ wanted: vips, stolen: vips, restart: fc.boolean(), dies: fc.nat(1) }),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(moves, async sequence => {
        let { frr, exec, clock } = start(kind);
        for (const { wanted, stolen, restart, dies } of sequence) {
          for (const vip of stolen) exec.steal(vip);
          if (restart) {
            frr.detach();
            ({ frr, clock } = start(kind, exec));
          }
          exec.deaths = dies;
          const state = want(...wanted);
          // Twice, as the reconciler would: the process may have died under the first.
          await frr.apply(state);
          exec.deaths = 0;
          await frr.apply(state);
          await clock.advance(31_000);
          const last = await frr.apply(state);
          expect(last.problems).toEqual([]);
          expect(reachedOf(last)).toEqual([...wanted].sort());
          expect(exec.vips).toEqual([...wanted].sort());
        }
        await frr.release();
        expect([...exec.entries]).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it('touches only what differs', async () => {
    const { frr, exec } = start(kind);
    await frr.apply(want('10.50.0.1', '10.50.0.2'));
    exec.lines.length = 0;
    await frr.apply(want('10.50.0.1', '10.50.0.2'));
    expect(exec.lines).toEqual([]);
    await frr.apply(want('10.50.0.1', '10.50.0.2', '10.50.0.3'));
    expect(exec.lines.every(line => line.includes('10.50.0.3/32'))).toBe(true);
    expect(exec.started).toBe(1);
  });

  it('adopts what an earlier run left, and takes it out if it is not wanted', async () => {
    const { frr, exec } = start(kind);
    await frr.apply(want('10.50.0.1', '10.50.0.2'));
    frr.detach();
    exec.lines.length = 0;
    const next = start(kind, exec);
    expect(reachedOf(await next.frr.apply(want('10.50.0.2')))).toEqual(['10.50.0.2']);
    expect(exec.lines.some(line => line.includes('10.50.0.2/'))).toBe(false);
    expect(exec.vips).toEqual(['10.50.0.2']);
  });

  it('changes over from the other kind', async () => {
    const other = start(kind === 'internal' ? 'external' : 'internal');
    await other.frr.apply(want('10.50.0.1', '10.50.0.2'));
    other.frr.detach();
    const next = start(kind, other.exec);
    expect(await next.frr.apply(want('10.50.0.1'))).toMatchObject({ problems: [] });
    const tables = [...other.exec.entries.keys()].map(key => key.split(' ')[0]).sort();
    expect(tables).toEqual(kind === 'internal' ? ['address'] : ['local', 'main']);
  });

  it('leaves an address of somebody else alone, says so, and takes the rest', async () => {
    const { frr, exec } = start(kind);
    exec.entries.set('address 10.50.0.1/32', 'foreign');
    const result = await frr.apply(want('10.50.0.1', '10.50.0.2'));
    expect(reachedOf(result)).toEqual(['10.50.0.2']);
    expect(result.problems.join()).toMatch(/cannot add 10\.50\.0\.1: .*not from Bivouac/);
    expect(exec.entries.get('address 10.50.0.1/32')).toBe('foreign');
    await frr.release();
    expect([...exec.entries.keys()]).toEqual(['address 10.50.0.1/32']);
  });

  it('puts back what somebody takes out, unasked, and logs it', async () => {
    const { frr, exec, clock, log } = start(kind);
    await frr.apply(want('10.50.0.1', '10.50.0.2'));
    exec.steal('10.50.0.1');
    await clock.advance(31_000);
    expect(exec.vips).toEqual(['10.50.0.1', '10.50.0.2']);
    expect(log.of('routes-lost').map(({ fields }) => fields['vips'])).toEqual([['10.50.0.1']]);
  });

  it('says in its status what is wrong with FRR', async () => {
    const { frr, clock } = start(kind);
    await frr.apply(want('10.50.0.1'));
    await clock.advance(1);
    const { routes, problems } = await frr.status();
    expect(routes).toEqual([{ vip: '10.50.0.1', metric: 20, advertised: undefined }]);
    expect(problems).toContain('ospfd: /run/frr/ospfd.vty: connect ENOENT');
    expect(await frr.conflicts()).toEqual([]);
  });
});

it('changes a metric in place where it can', async () => {
  const { frr, exec } = start('external');
  await frr.apply(want('10.50.0.1'));
  exec.lines.length = 0;
  const vip = address('10.50.0.1');
  const { reached } = await frr.apply({ routes: Table.from([[vip, 120]]) });
  expect(reached.get(vip)).toBe(120);
  expect(exec.lines).toEqual(['route replace 10.50.0.1/32 via 192.0.2.1 dev lo onlink proto 98']);
});
