/** What makes a client, of those whose servers are remembered. */
import assert from 'node:assert/strict';
import { VIP } from '../support/dataplane.ts';
import { A, B, type Behaviour, C } from './rig.ts';

/** A SIP request as far as a balancer looks (RFC 3261 §7.1). */
const invite = (callId: string): string =>
  [
    'OPTIONS sip:bivouac.example SIP/2.0',
    'Via: SIP/2.0/UDP 10.9.0.2:5060;branch=z9hG4bK1',
    'Max-Forwards: 70',
    'To: <sip:bivouac.example>',
    'From: <sip:client.example>;tag=1',
    `Call-ID: ${callId}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');

export const persistence: readonly Behaviour[] = [
  {
    name: 'affinity by a part of the address: a network is one client',
    needs: ['persistence'],
    async run(rig) {
      const { cell } = rig;
      const near = ['10.9.0.66', '10.9.0.67', '10.9.0.70', '10.9.0.78'];
      const far = ['10.9.0.130', '10.9.0.133', '10.9.0.140'];
      cell.client.ipBatch([...near, ...far].map(client => `addr replace ${client}/24 dev eth0`));
      await rig.apply(rig.farm([A, B, C], { affinity: 60, affinityPrefix: 28 }));
      const servers = async (clients: readonly string[]): Promise<string[]> => {
        const found = [];
        for (const client of clients) {
          const talk = await cell.open(80, VIP, cell.client, client);
          found.push(talk.server);
          talk.socket.destroy();
        }
        return found;
      };
      const [first, second] = [await servers(near), await servers(far)];
      assert.equal(new Set(first).size, 1);
      assert.equal(new Set(second).size, 1);
      assert.notEqual(first[0], second[0]);
    },
  },
  {
    name: 'affinity by Call-ID: the packets of a call go to one server, whatever port they come from',
    needs: ['persistence'],
    async run(rig) {
      const ports = { first: 5000, last: 5000 };
      await rig.apply(rig.farm([A, B, C], { transport: 'udp', ports, affinity: 60, affinityBy: 'sip' }));
      const servers = new Map<string, Set<string>>();
      for (let round = 0; round < 3; round++)
        for (const call of ['one@x', 'two@x', 'three@x', 'four@x', 'five@x', 'six@x']) {
          const udp = await rig.cell.udp();
          const server = await udp.ask(5000, VIP, rig.within(1000), invite(call));
          servers.set(call, (servers.get(call) ?? new Set()).add(server));
          udp.socket.close();
        }
      assert.deepEqual(
        [...servers.values()].map(each => each.size),
        [1, 1, 1, 1, 1, 1],
      );
      assert.equal(new Set([...servers.values()].flatMap(each => [...each])).size, 3);
    },
  },
];
