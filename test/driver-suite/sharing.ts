/** How new flows are shared out among servers. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { VIP, VIP6 } from '../support/dataplane.ts';
import { A, B, type Behaviour, C, type Rig } from './rig.ts';

/** The server of each client, one connection each. */
async function serversOf({ cell }: Rig, clients: readonly string[]): Promise<Map<string, string>> {
  const servers = new Map<string, string>();
  for (const client of clients) {
    const talk = await cell.open(80, VIP, cell.client, client);
    servers.set(client, talk.server);
    talk.socket.destroy();
  }
  return servers;
}

/** Addresses of the client, `count` of them. */
function clientsOf({ cell }: Rig, count: number): readonly string[] {
  const clients = Array.from({ length: count }, (_, index) => `10.9.0.${100 + index}`);
  cell.client.ipBatch(clients.map(client => `addr replace ${client}/24 dev eth0`));
  return clients;
}

export const sharing: readonly Behaviour[] = [
  {
    name: 'weighted round robin gives each server exactly its share, and the client its own address',
    async run(rig) {
      await rig.apply(rig.farm([{ at: A, weight: 3 }, B, { at: C, weight: 2 }]));
      await shared(rig, { [A]: 12, [B]: 4, [C]: 8 });
      const talk = await rig.cell.open();
      assert.equal(talk.seenFrom, '10.9.0.2');
      talk.socket.destroy();
    },
  },
  {
    name: 'source hash: a client keeps its server, and all servers have clients',
    async run(rig) {
      const clients = clientsOf(rig, 24);
      await rig.apply(rig.farm([A, B, C], { scheduler: 'source-hash' }));
      const first = await serversOf(rig, clients);
      assert.equal(new Set(first.values()).size, 3);
      assert.deepEqual(await serversOf(rig, clients), first);
    },
  },
  {
    name: 'source hash: when a server goes, only its clients move',
    needs: ['steady-hash'],
    async run(rig) {
      const clients = clientsOf(rig, 24);
      await rig.apply(rig.farm([A, B, C], { scheduler: 'source-hash' }));
      const first = await serversOf(rig, clients);
      await rig.apply(rig.farm([A, B], { scheduler: 'source-hash' }));
      for (const [client, server] of await serversOf(rig, clients))
        if (first.get(client) === C) assert.ok(server === A || server === B);
        else assert.equal(server, first.get(client));
    },
  },
  {
    name: 'maglev: a client keeps its server; of those of other servers hardly any moves',
    needs: ['maglev'],
    async run(rig) {
      const clients = clientsOf(rig, 40);
      await rig.apply(rig.farm([A, B, C], { scheduler: 'maglev' }));
      const first = await serversOf(rig, clients);
      assert.equal(new Set(first.values()).size, 3);
      await rig.apply(rig.farm([A, B], { scheduler: 'maglev' }));
      const second = await serversOf(rig, clients);
      const moved = clients.filter(
        client => first.get(client) !== C && first.get(client) !== second.get(client),
      );
      assert.ok(moved.length <= 4, `${moved.length} of 40 clients moved without need`);
      // One that drains is avoided too.
      await rig.apply(rig.farm([{ at: A, accepts: false }, B], { scheduler: 'maglev' }));
      assert.deepEqual(new Set((await serversOf(rig, clients)).values()), new Set([B]));
    },
  },
  {
    name: 'least connections: whoever has fewer for its weight gets the next',
    needs: ['wlc'],
    async run(rig) {
      await rig.apply(rig.farm([A], { scheduler: 'wlc' }));
      const talks = [];
      for (let at = 0; at < 6; at++) talks.push(await rig.cell.open());
      await rig.apply(rig.farm([A, B], { scheduler: 'wlc' }));
      for (let at = 0; at < 4; at++) talks.push(await rig.cell.open());
      assert.deepEqual(
        talks.slice(6).map(talk => talk.server),
        [B, B, B, B],
      );
      for (const talk of talks) talk.socket.destroy();
    },
  },
  {
    name: 'ports: a range of TCP and one of UDP, several farms on one VIP',
    async run(rig) {
      await rig.apply(
        rig.farm([B], { ports: { first: 5000, last: 5002 } }),
        rig.farm([C], { transport: 'udp', ports: { first: 5000, last: 5002 } }),
        rig.farm([A]),
      );
      assert.equal((await rig.cell.open()).server, A);
      for (const port of [5000, 5001, 5002]) {
        assert.equal((await rig.cell.open(port)).server, B);
        const udp = await rig.cell.udp();
        assert.equal(await udp.ask(port), C);
        assert.equal(udp.source, VIP);
        udp.socket.close();
      }
    },
  },
  {
    name: 'ports: a mapped one',
    modes: ['nat'],
    async run(rig) {
      await rig.apply(rig.farm([{ at: A, port: 8080 }], { ports: { first: 443, last: 443 } }));
      assert.equal((await rig.cell.open(443)).server, A);
    },
  },
  {
    name: 'IPv6',
    modes: ['nat'],
    run: six,
  },
  {
    name: 'IPv6, past the appliance on the way back',
    modes: ['direct', 'tunnel'],
    needs: ['direct6'],
    run: six,
  },
  {
    name: 'a hundred services at once: all of them serve, and all of them go',
    async run(rig) {
      const vips = Array.from({ length: 100 }, (_, index) => `10.50.0.${index + 1}`);
      const farms = vips.map(vip => rig.farm([A, B, C], { vip: vip as typeof VIP }));
      assert.deepEqual(await rig.apply(...farms), []);
      // Servers of the other modes hold but one VIP.
      for (const vip of rig.mode === 'nat' ? vips.filter((_, index) => index % 10 === 9) : [VIP])
        await shared(rig, { [A]: 1, [B]: 1, [C]: 1 }, vip);
      const without = farms.map(each => ({ ...each, members: each.members.slice(1) }));
      assert.deepEqual(await rig.apply(...without), []);
      await shared(rig, { [B]: 1, [C]: 1 });
      assert.deepEqual(await rig.apply(), []);
    },
  },
];

/** As many connections as are expected go to these servers. A late packet of an earlier connection takes a turn of its own: hence a second look. */
async function shared(rig: Rig, expected: Readonly<Record<string, number>>, vip?: string): Promise<void> {
  const count = Object.values(expected).reduce((sum, each) => sum + each, 0);
  for (let looks = 1; ; looks++) {
    const found = await rig.cell.spread(count, 80, vip);
    if (looks === 3 || isDeepStrictEqual(found, expected)) return assert.deepEqual(found, expected);
  }
}

async function six(rig: Rig): Promise<void> {
  const farm = (...last: number[]): ReturnType<Rig['farm']> =>
    rig.farm(
      last.map(n => `fd01::${n}`),
      { vip: VIP6 },
    );
  assert.deepEqual(await rig.apply(farm(11, 12)), []);
  await shared(rig, { [A]: 2, [B]: 2 }, VIP6);
  const talk = await rig.cell.open(80, VIP6);
  assert.equal(talk.seenFrom, 'fd09::2');
  await rig.apply(farm(talk.server === A ? 12 : 11));
  await rig.ended(talk);
  assert.equal(talk.ended, 'ECONNRESET');
}
