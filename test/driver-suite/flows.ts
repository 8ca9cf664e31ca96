/** What becomes of flows when farms change. */
import assert from 'node:assert/strict';
import { type Talk, VIP } from '../support/dataplane.ts';
import { poll } from '../support/netns.ts';
import { A, B, type Behaviour, C } from './rig.ts';

const close = (talks: readonly Talk[]): void => {
  for (const talk of talks) talk.socket.destroy();
};

export const flows: readonly Behaviour[] = [
  {
    name: 'established flows survive changes of their farm and of others',
    async run(rig) {
      await rig.apply(rig.farm([A, B]));
      const talks = [];
      for (let at = 0; at < 6; at++) talks.push(await rig.cell.open());
      for (let round = 0; round < 6; round++) {
        const other = rig.farm([C], { ports: { first: 8080, last: 8080 } });
        await rig.apply(
          rig.farm([{ at: A, weight: round + 1 }, B, ...(round % 2 ? [C] : [])]),
          ...(round % 3 ? [other] : []),
        );
        for (const talk of talks) assert.ok(await talk.echo(`round ${round}`));
      }
      close(talks);
    },
  },
  {
    name: 'a server that dies: its client is reset while it waits, the others go on',
    async run(rig) {
      await rig.apply(rig.farm([A, B]));
      const talks = [];
      for (let at = 0; at < 4; at++) talks.push(await rig.cell.open());
      const mine = talks.filter(talk => talk.server === A);
      assert.equal(mine.length, 2);
      const begin = performance.now();
      await rig.apply(rig.farm([B]));
      for (const talk of mine) await rig.ended(talk);
      assert.deepEqual(
        mine.map(talk => talk.ended),
        ['ECONNRESET', 'ECONNRESET'],
      );
      const took = performance.now() - begin;
      assert.ok(took < rig.within(100), `${took} ms`);
      for (const talk of talks) if (talk.server === B) assert.ok(await talk.echo());
      assert.deepEqual(await rig.cell.spread(3), { [B]: 3 });
      close(talks);
    },
  },
  {
    name: 'a server that dies: the next datagram of the same UDP socket goes to another',
    async run(rig) {
      const farm = (...members: string[]): ReturnType<typeof rig.farm> =>
        rig.farm(members, { transport: 'udp' });
      await rig.apply(farm(A, B));
      const udp = await rig.cell.udp();
      const first = await udp.ask();
      assert.ok(first === A || first === B, first);
      assert.equal(await udp.ask(), first);
      const other = first === A ? B : A;
      await rig.apply(farm(other));
      await poll(async () => (await udp.ask(80, VIP, rig.within(50))) === other, rig.within(1000), 'other');
      assert.equal(udp.source, VIP);
      udp.socket.close();
    },
  },
  {
    name: 'a draining server keeps its flows and gets no new ones',
    async run(rig) {
      await rig.apply(rig.farm([A, B]));
      const talks = [await rig.cell.open(), await rig.cell.open()];
      await rig.apply(rig.farm([{ at: A, accepts: false }, B]));
      assert.deepEqual(await rig.cell.spread(6), { [B]: 6 });
      for (const talk of talks) assert.ok(await talk.echo());
      close(talks);
    },
  },
  {
    name: 'a farm that accepts nobody refuses at once; one that is gone takes its flows along',
    async run(rig) {
      const [tcp, udp] = [rig.farm([A]), rig.farm([A], { transport: 'udp' })];
      await rig.apply(tcp, udp);
      const talk = await rig.cell.open();
      const nobody = [{ at: A, accepts: false }];
      await rig.apply(rig.farm(nobody), rig.farm(nobody, { transport: 'udp' }));
      const begin = performance.now();
      await assert.rejects(rig.cell.open(), /ECONNREFUSED/);
      assert.ok(performance.now() - begin < rig.within(200));
      // The kernel sends few ICMP messages a second: it is asked more than once.
      const asker = `const u=require('dgram').createSocket('udp4');u.on('error',e=>{console.log(e.code);process.exit()});u.connect(80,'${VIP}',()=>setInterval(()=>u.send('?'),100))`;
      const { stdout } = await rig.cell.client.run(process.execPath, ['-e', asker]);
      assert.equal(stdout.trim(), 'ECONNREFUSED');
      assert.ok(await talk.echo());
      await rig.apply();
      await rig.ended(talk);
      assert.equal(talk.ended, 'ECONNRESET');
    },
  },
  {
    name: 'affinity: a client stays with its server, and leaves one that drains or dies',
    async run(rig) {
      const farm = (members: Parameters<typeof rig.farm>[0]): ReturnType<typeof rig.farm> =>
        rig.farm(members, { affinity: 60 });
      await rig.apply(farm([A, B, C]));
      const first = (await rig.cell.open()).server;
      assert.deepEqual(await rig.cell.spread(6), { [first]: 6 });
      await rig.apply(farm([A, B, C].map(at => ({ at, accepts: at !== first }))));
      const second = (await rig.cell.open()).server;
      assert.notEqual(second, first);
      assert.deepEqual(await rig.cell.spread(4), { [second]: 4 });
      await rig.apply(farm([A, B, C].filter(at => at !== second)));
      const third = (await rig.cell.open()).server;
      assert.notEqual(third, second);
      assert.deepEqual(await rig.cell.spread(4), { [third]: 4 });
    },
  },
  {
    name: 'a server that roams: its flow goes on at an appliance that has never heard of it',
    modes: ['direct', 'tunnel'],
    async run(rig) {
      await rig.apply(rig.farm([A]));
      const talk = await rig.cell.open();
      assert.deepEqual(await rig.part(A), []);
      await rig.apply(rig.farm([A]));
      assert.ok(await talk.echo('and back'));
      await rig.apply(rig.farm([A, B]));
      assert.ok(await talk.echo());
      await rig.apply(rig.farm([B]));
      await rig.ended(talk);
      assert.equal(talk.ended, 'ECONNRESET');
    },
  },
  {
    name: 'replies that pass the appliance, as the gateway of the servers, arrive too',
    modes: ['direct', 'tunnel'],
    async run(rig) {
      const server = rig.cell.servers.find(each => each.name === A)!.namespace;
      server.ip('route replace default via 10.1.0.1');
      try {
        await rig.apply(rig.farm([A]));
        const talk = await rig.cell.open();
        assert.ok(await talk.echo());
        talk.socket.destroy();
      } finally {
        server.ip('route replace default via 10.1.0.254');
      }
    },
  },
  {
    name: 'reflection: a server reaches the farms of its own cell, its own server included',
    modes: ['nat'],
    needs: ['reflection'],
    async run(rig) {
      await rig.apply(rig.farm([A, B]));
      const server = rig.cell.servers.find(each => each.name === A)!.namespace;
      const talks = [await rig.cell.open(80, VIP, server), await rig.cell.open(80, VIP, server)];
      assert.deepEqual(talks.map(talk => talk.server).sort(), [A, B]);
      for (const talk of talks) assert.ok(await talk.echo());
      close(talks);
    },
  },
  {
    name: 'connections are counted by server',
    async run(rig) {
      // A port of its own: what was cut a moment ago is still remembered.
      const farm = rig.farm([A, B], { ports: { first: 81, last: 81 } });
      await rig.apply(farm);
      const talks = [];
      for (let at = 0; at < 3; at++) talks.push(await rig.cell.open(81));
      for (const talk of talks) assert.ok(await talk.echo());
      const [more = '', fewer = ''] = talks[0]!.server === A ? [A, B] : [B, A];
      await poll(
        async () => {
          const counts = (await rig.driver.connections()).get(farm.key);
          return counts?.get(`${more}|0`) === 2 && counts.get(`${fewer}|0`) === 1;
        },
        rig.within(5000),
        'two and one',
      );
      close(talks);
    },
  },
];
