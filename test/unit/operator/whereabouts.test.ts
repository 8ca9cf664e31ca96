import { expect, test } from 'vitest';
import { hostRows, peerRows, vipsElsewhere, whereIs } from '../../../appliance/operator/whereabouts.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ManagerId } from '../../../sdk/wire/model.ts';
import { Registry, serverId } from '../../support/registry.ts';

const B = 'b'.repeat(64) as ManagerId;

/** A manager that has one anycast VIP, and hears of another that has it too and one besides. */
function registry(): {
  registry: Registry;
  vip: ReturnType<typeof address>;
  own: ReturnType<typeof address>;
} {
  const one = new Registry();
  const vip = one.serve(1);
  const own = address('10.255.0.200');
  const binding = (where: typeof vip, server: number, epoch: number, shared: boolean) => ({
    ...{ vip: where, server: serverId(server), epoch, shared },
    hosts: [],
  });
  one.feed({
    ...{ type: 'heard', manager: B, name: 'cell-b', addresses: [address('10.2.0.1')] },
    bindings: [binding(vip, 2, 1, true), binding(vip, 3, 1, true), binding(own, 4, 7, false)],
    ...{ gone: [], complete: true },
  });
  return { registry: one, vip, own };
}

test('a VIP is shown where it lives, here and elsewhere', () => {
  const { registry: one, vip, own } = registry();
  expect(whereIs(one.state, vip)).toBe('here (1 server), cell-b (2 servers)');
  expect(whereIs(one.state, own)).toBe('cell-b (epoch 7)');
  expect(vipsElsewhere(one.state)).toMatchObject([{ vip: own, where: 'cell-b (epoch 7)', servers: 1 }]);
  one.feed({ type: 'peer-silent', manager: B });
  expect(whereIs(one.state, own)).toBe('cell-b (epoch 7, silent)');
});

test('a server that moved is leaving until its route is gone', () => {
  const one = new Registry();
  one.register(1);
  const ask = { type: 'lease-request', family: 4, shared: false, service: 'mcu' } as const;
  const vip = one.say(1, ask)[0]!.vip!;
  one.offer(1, vip);
  one.verdict(1, 'pass');
  one.settle();
  expect(whereIs(one.state, vip)).toBe('here (epoch 1)');
  one.feed({
    ...{ type: 'heard', manager: B, name: 'cell-b', addresses: [], gone: [], complete: false },
    bindings: [{ vip, server: serverId(1), epoch: 2, shared: false, hosts: [] }],
  });
  expect(whereIs(one.state, vip)).toBe('leaving, cell-b (epoch 2)');
  one.settle();
  expect(whereIs(one.state, vip)).toBe('cell-b (epoch 2)');
});

test('peers are shown with what the notices know of them', () => {
  const { registry: one } = registry();
  const status = { manager: B, boot: 3, known: 7, newest: 9, offers: 2, heardAgo: 1200 };
  expect(peerRows(one.state, [status], 5000)).toMatchObject([
    { peer: 'cell-b', address: '10.2.0.1', state: 'heard', bindings: 3, offers: 2, boot: 3, behind: 2 },
  ]);
  expect(peerRows(one.state, [], 5000)).toMatchObject([{ peer: 'cell-b', behind: '' }]);
});

test('hosts are shown with the server that they are', () => {
  const { registry: one } = registry();
  const host = {
    key: '01aa',
    link: 'lan',
    name: 'mcu',
    address: address('10.1.0.9'),
    state: 'bound',
    hint: '',
  };
  const rows = hostRows(one.state, [
    { ...host, knownAs: serverId(1) },
    { ...host, knownAs: serverId(9) },
    { ...host, knownAs: undefined, address: undefined },
  ]);
  expect(rows.map(row => row['server'])).toEqual(['s1', '000000000000', '']);
  expect(rows[2]).toMatchObject({ address: '', lease: 'bound' });
});
