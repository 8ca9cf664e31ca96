import { describe, expect, it } from 'vitest';
import { discover } from '../../../sdk/server/discover.ts';
import { address } from '../../../sdk/wire/address.ts';
import { decodeAnycast, encodeAnycast } from '../../../sdk/wire/anycast.ts';
import { WELL_KNOWN } from '../../../sdk/wire/messages.ts';
import { MANAGER_ID, World } from './world.ts';

/** A manager that hears solicitations, and answers the `from`th and later ones. */
async function inviting(world: World, host: World['manager'], from: number, nonce?: Uint8Array) {
  let heard = 0;
  const socket = await host.net.datagram(
    { address: address('0.0.0.0'), port: 9747, groups: [WELL_KNOWN.solicitGroup4] },
    (bytes, to, port) => {
      const message = decodeAnycast(bytes);
      if (message.type !== 'solicit' || heard++ < from) return;
      const answer = {
        type: 'invite' as const,
        nonce: nonce ?? message.nonce,
        manager: MANAGER_ID,
        name: host.name,
        address: host.addresses[0]!,
        port: 9746,
        tls: true,
      };
      socket.send(encodeAnycast(answer), port, to);
    },
    () => {},
  );
  expect(world.network.hosts.size).toBeGreaterThan(1);
}

describe('discover', () => {
  it('gives the first manager that answers a solicitation', async () => {
    const world = new World();
    await inviting(world, world.manager, 0);
    const found = await world.clock.runToEnd(discover({ environment: world.environment() }));
    expect(found).toEqual([
      { manager: MANAGER_ID, name: 'manager', address: '10.0.0.1', port: 9746, tls: true },
    ]);
    expect(world.clock.now()).toBeLessThan(1);
    expect([world.clock.timers, world.client.datagrams.size]).toEqual([0, 0]);
  });

  it('asks twice, and gives all of them when it is told to', async () => {
    const world = new World();
    await inviting(world, world.manager, 1);
    await inviting(world, world.network.host('other', '10.0.0.2'), 0);
    const found = await world.clock.runToEnd(discover({ environment: world.environment(), first: false }));
    expect(found.map(one => one.name)).toEqual(['other', 'manager']);
    expect(world.clock.now()).toBe(400);
  });

  it('gives none when nobody answers, nor an invitation that it did not ask for', async () => {
    const world = new World();
    await inviting(world, world.manager, 0, new Uint8Array(8));
    expect(await world.clock.runToEnd(discover({ environment: world.environment() }))).toEqual([]);
  });
});
