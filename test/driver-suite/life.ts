/** What a driver does at the start and the end of a daemon. */
import assert from 'node:assert/strict';
import { VIP, VIP6 } from '../support/dataplane.ts';
import { poll } from '../support/netns.ts';
import { A, B, type Behaviour } from './rig.ts';

export const life: readonly Behaviour[] = [
  {
    name: 'a daemon that is killed and comes back adopts all, and no flow is lost',
    async run(rig) {
      // A VIP that is kept for a moment, of the behaviour before this one, goes with its daemon.
      await rig.restart();
      const farms = [
        rig.farm(
          [
            { at: A, weight: 3 },
            { at: B, weight: 2 },
          ],
          { affinity: 30 },
        ),
        rig.farm([A, B], { ports: { first: 5000, last: 5002 }, scheduler: 'source-hash' }),
        rig.farm([A, { at: B, accepts: false }], { ports: { first: 8080, last: 8080 } }),
        ...(rig.mode === 'nat'
          ? [rig.farm(['fd01::11', { at: 'fd01::12', accepts: false }], { vip: VIP6 })]
          : []),
      ];
      assert.deepEqual(await rig.apply(...farms), []);
      const talks = [await rig.cell.open(), await rig.cell.open(5001), await rig.cell.open(8080)];
      const before = rig.subject.remains(rig.cell);
      assert.notEqual(before, '');
      await rig.restart();
      assert.deepEqual(await rig.apply(...farms), []);
      assert.equal(rig.subject.remains(rig.cell), before);
      for (const talk of talks) assert.ok(await talk.echo());
      // What nobody wants any more when the daemon comes back is cut, and the rest goes on.
      await rig.restart();
      assert.deepEqual(await rig.apply(...farms.slice(1)), []);
      await rig.ended(talks[0]!);
      assert.equal(talks[0]!.ended, 'ECONNRESET');
      for (const talk of talks.slice(1)) {
        assert.ok(await talk.echo());
        talk.socket.destroy();
      }
    },
  },
  {
    name: 'anycast ARP over UDP to a VIP reaches the appliance itself, also where a farm claims the port',
    async run(rig) {
      const { cell } = rig;
      const ports = { first: 9700, last: 9799 };
      const responder = cell.appliance.node(
        `const u=require('dgram').createSocket('udp4');u.on('message',(m,r)=>u.send('manager',r.port,r.address)).bind(9747,()=>console.log('ready'))`,
      );
      try {
        await poll(() => responder.stdout().includes('ready'), 60_000, 'a responder');
        const farm = rig.farm([A], { transport: 'udp', ports });
        assert.deepEqual(await rig.applyWith([VIP, '10.50.0.2'], farm), []);
        const udp = await cell.udp();
        for (const vip of [VIP, '10.50.0.2']) {
          assert.equal(await udp.ask(9747, vip, rig.within(1000)), 'manager');
          assert.equal(udp.source, vip);
        }
        udp.socket.close();
      } finally {
        await responder.stop();
      }
    },
  },
  {
    name: 'a farm that cannot be carried is said, and does not hinder the rest',
    async run(rig) {
      const foreign = rig.farm([A], { ports: { first: 90, last: 90 }, mode: 'redirect' });
      const problems = await rig.apply(rig.farm([A]), foreign);
      assert.equal(problems.filter(problem => problem.includes(foreign.key)).length, 1, problems.join('\n'));
      assert.deepEqual(await rig.cell.spread(2), { [A]: 2 });
      assert.deepEqual(await rig.apply(rig.farm([A])), []);
    },
  },
];

/** Run last: nothing of the driver's is left, and what it found is as it was. */
export const release: Behaviour = {
  name: 'release leaves nothing behind',
  async run(rig) {
    await rig.apply(rig.farm([A, B]), rig.farm([A], { transport: 'udp', affinity: 5 }));
    assert.equal((await rig.cell.open()).server.startsWith('10.1.0.1'), true);
    const { cell } = rig;
    await rig.release();
    assert.equal(rig.subject.remains(cell), '');
    assert.equal(cell.appliance.runSync('sysctl', ['-n', 'net.ipv4.conf.lan.send_redirects']).trim(), '1');
    await assert.rejects(cell.open(80, VIP, cell.client, undefined, 1000));
  },
};
