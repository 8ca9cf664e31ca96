import { createSocket } from 'node:dgram';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createClock } from '../../appliance/host/clock.ts';
import { linuxLinks } from '../../appliance/host/links.ts';
import { createNet } from '../../appliance/host/net.ts';
import { createRandom } from '../../appliance/host/random.ts';
import { Table } from '../../appliance/registry/table.ts';
import type { ArpConflict } from '../../appliance/responder/arp-defender.ts';
import { createResponder, type Responder } from '../../appliance/responder/responder.ts';
import { type Address, address, type Mac } from '../../sdk/wire/address.ts';
import { decodeAnycast, encodeAnycast } from '../../sdk/wire/anycast.ts';
import { anycastQueryFrame, decodeArp } from '../../sdk/wire/arp.ts';
import { WELL_KNOWN } from '../../sdk/wire/messages.ts';
import { type Namespace, Network, poll } from '../support/netns.ts';
import { directory, expectType, MANAGER, query } from '../unit/responder/support.ts';

const VIP = address('10.9.0.1');
const SERVERS = Object.fromEntries(
  Array.from({ length: 60 }, (_, index) => [`10.1.1.${index + 1}`, [`tcp/80 http www.cell ${900 - index}`]]),
);
const vips = (...list: Address[]) => ({ vips: Table.from(list.map(vip => [vip, true] as const)) });

let network: Network;
let appliance: Namespace;
let client: Namespace;
let responder: Responder;
let alarms: ArpConflict[];
let closers: (() => void)[];

beforeEach(async () => {
  network = new Network();
  appliance = network.namespace('appliance');
  client = network.namespace('client');
  network.veth(
    {
      in: appliance,
      name: 'lan0',
      addresses: ['10.1.0.1/24', 'fd00:1::1/64'],
      mac: '02:00:00:00:00:01',
    },
    { in: client, name: 'eth0', addresses: ['10.1.0.99/24', 'fd00:1::99/64'], mac: '02:00:00:00:00:99' },
  );
  client.ip(`route add ${VIP} via 10.1.0.1`);
  appliance.ip('addr add 10.1.9.1/32 dev lo');
  alarms = [];
  closers = [];
  const links = await linuxLinks();
  const leave = appliance.enter();
  try {
    // Interfaces come from sysfs, which shows another namespace to this process: so they are told.
    const listed = {
      ...links,
      list: () => [
        {
          name: 'lan0',
          index: 2,
          mac: '02:00:00:00:00:01' as Mac,
          up: true,
          mtu: 1500,
          addresses: [
            { address: address('10.1.0.1'), length: 24 },
            { address: address('fd00:1::1'), length: 64 },
            { address: address('10.1.9.1'), length: 32 },
          ],
        },
      ],
    };
    responder = await createResponder({
      clock: createClock(),
      random: createRandom(),
      net: createNet(),
      links: listed,
      signer: undefined,
      log: () => {},
      onConflict: alarm => void alarms.push(alarm),
      config: {
        manager: MANAGER,
        name: 'cell-1',
        access: ['lan0'],
        port: WELL_KNOWN.anycastPort,
        validity: 5000,
        rate: 1000,
        ring: 2 << 20,
        registration: { address: undefined, port: 9746, tls: true },
      },
    });
  } finally {
    leave();
  }
});

afterEach(async () => {
  for (const close of closers) close();
  responder?.close();
  await network.dispose();
});

/** Opens the client's link in this process; gives what came in, as copies. */
async function clientLink(
  filter: string,
): Promise<{ frames: Uint8Array[]; send: (frame: Uint8Array) => void }> {
  const links = await linuxLinks();
  const frames: Uint8Array[] = [];
  const socket = client.within(() =>
    links.open('eth0', filter, 8 << 20, frame => void frames.push(frame.slice())),
  );
  closers.push(() => socket.close());
  return { frames, send: frame => socket.send(frame) };
}

/** A UDP socket in the client's namespace; gives what came in. */
async function clientSocket(type: 'udp4' | 'udp6' = 'udp4') {
  const socket = createSocket(type);
  const received: { bytes: Uint8Array; from: string; port: number }[] = [];
  socket.on('message', (bytes, from) => received.push({ bytes, from: from.address, port: from.port }));
  const leave = client.enter();
  try {
    await new Promise<void>(resolve => socket.bind(0, () => resolve()));
  } finally {
    leave();
  }
  closers.push(() => socket.close());
  return { received, socket };
}

describe('anycast ARP on the link', () => {
  test('a query frame gets answer frames, in parts within the MTU', async () => {
    responder.setDirectory(directory({ [VIP]: SERVERS }));
    const { frames, send } = await clientLink('arp[6:2] = 25');
    const message = encodeAnycast(query({ vip: VIP, selector: { protocol: 'http', transport: 'tcp' } }));
    send(anycastQueryFrame('02:00:00:00:00:99' as Mac, address('10.1.0.99'), VIP, message));
    const first = await poll(() => frames[0], 30_000, 'an answer');
    const { parts } = expectType(decodeArp(first)!.message, 'answer');
    expect(parts).toBeGreaterThan(1);
    await poll(() => frames.length === parts, 30_000, 'all parts');
    const answers = frames.map(frame => expectType(decodeArp(frame)!.message, 'answer'));
    expect(answers.flatMap(answer => answer.servers)).toHaveLength(60);
    expect(answers[0]!.servers[0]).toMatchObject({ address: '10.1.1.1', score: 900 });
    for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(1514);
    expect(decodeArp(first)).toMatchObject({ senderAddress: '10.1.0.1', targetMac: '02:00:00:00:00:99' });
  });

  test('ordinary ARP is undisturbed: the kernel answers for its own, once, and learns no VIP from our frames', async () => {
    responder.setDirectory(directory({ [VIP]: SERVERS }));
    const { frames, send } = await clientLink('arp[6:2] = 2 or arp[6:2] = 25');
    const message = encodeAnycast(query({ vip: VIP, want: 1 }));
    for (let turn = 0; turn < 20; turn++)
      send(anycastQueryFrame('02:00:00:00:00:99' as Mac, address('10.1.0.99'), VIP, message));
    const arping = await client.run('arping', ['-c', '3', '-w', '25', '-i', '1', '-I', 'eth0', '10.1.0.1']);
    expect(arping.stdout + arping.stderr).toMatch(/[Rr]eceived 3 response/);
    await poll(() => frames.filter(frame => frame[21] === 25).length === 20, 30_000, 'all answers');
    await poll(() => frames.filter(frame => frame[21] === 2).length >= 3, undefined, 'the replies');
    expect(frames.filter(frame => frame[21] === 2)).toHaveLength(3);
    const neighbours = client.ip('neigh show dev eth0');
    expect(neighbours).not.toContain(VIP);
    expect(appliance.ip('neigh show dev lan0')).not.toContain(VIP);
  });

  test('a VIP that it does not know is met with silence', async () => {
    responder.setDirectory(directory({ [VIP]: SERVERS }));
    const { frames, send } = await clientLink('arp[6:2] = 25');
    const ask = (vip: Address) =>
      send(
        anycastQueryFrame(
          '02:00:00:00:00:99' as Mac,
          address('10.1.0.99'),
          vip,
          encodeAnycast(query({ vip, want: 1 })),
        ),
      );
    ask(address('10.9.0.200'));
    ask(VIP);
    await poll(() => frames.length > 0, 30_000, 'the answer to the second');
    expect(frames.map(frame => expectType(decodeArp(frame)!.message, 'answer').vip)).toEqual([VIP]);
    expect(responder.counters.link['no-such-vip']).toBe(1);
  });
});

describe('anycast ARP over UDP', () => {
  test('a short query gets a cookie, and with it the whole answer, in parts', async () => {
    responder.setDirectory(directory({ [VIP]: SERVERS }));
    const { received, socket } = await clientSocket();
    const first = encodeAnycast(query({ vip: VIP, padding: 40 }));
    socket.send(first, WELL_KNOWN.anycastPort, '10.1.0.1');
    const back = (await poll(() => received[0], 30_000, 'a cookie')).bytes;
    expect(back.length).toBeLessThanOrEqual(first.length);
    const { cookie } = expectType(back, 'cookie');
    received.length = 0;
    socket.send(encodeAnycast(query({ vip: VIP, cookie })), WELL_KNOWN.anycastPort, '10.1.0.1');
    await poll(
      () => received[0] && received.length === expectType(received[0].bytes, 'answer').parts,
      30_000,
      'all parts',
    );
    expect(received.flatMap(({ bytes }) => expectType(bytes, 'answer').servers)).toHaveLength(60);
  });

  test('over IPv6', async () => {
    responder.setDirectory(directory({ [VIP]: SERVERS }));
    const { received, socket } = await clientSocket('udp6');
    socket.send(
      encodeAnycast(query({ vip: VIP, want: 1, padding: 300 })),
      WELL_KNOWN.anycastPort,
      'fd00:1::1',
    );
    const { bytes, from } = await poll(() => received[0], 30_000, 'an answer');
    expect([from, expectType(bytes, 'answer').servers.length]).toEqual(['fd00:1::1', 1]);
  });

  test('it comes back from the address that was asked, whatever the way out is', async () => {
    responder.setDirectory(directory({ [VIP]: SERVERS }));
    client.ip('route add 10.1.9.1 via 10.1.0.1');
    const { received, socket } = await clientSocket();
    await poll(
      () => {
        socket.send(
          encodeAnycast(query({ vip: VIP, want: 1, padding: 300 })),
          WELL_KNOWN.anycastPort,
          '10.1.9.1',
        );
        return received.length > 0;
      },
      30_000,
      'an answer',
      100,
    );
    expect(received[0]!.from).toBe('10.1.9.1');
  });

  test('addressed to the VIP, it comes back from the VIP when the packet filter redirects it', async () => {
    responder.setDirectory(directory({ [VIP]: SERVERS }));
    appliance.runSync(
      'nft',
      ['-f', '-'],
      `table ip t { chain c { type nat hook prerouting priority dstnat; ip daddr ${VIP} udp dport ${WELL_KNOWN.anycastPort} redirect; }\n}`,
    );
    const { received, socket } = await clientSocket();
    socket.send(encodeAnycast(query({ vip: VIP, want: 1, padding: 300 })), WELL_KNOWN.anycastPort, VIP);
    const { bytes, from } = await poll(() => received[0], 30_000, 'an answer');
    expect([from, expectType(bytes, 'answer').vip]).toEqual([VIP, VIP]);
  });
});

describe('ordinary ARP for VIPs', () => {
  test('gratuitous ARP on take-up, repeated', async () => {
    const { frames } = await clientLink(`arp[6:2] = 1 and arp[14:4] = 0x0a090001`);
    responder.setArp(vips(VIP));
    await poll(() => frames.length >= 2, 30_000, 'two announcements');
    expect(decodeArp(frames[0]!)).toMatchObject({
      destination: 'ff:ff:ff:ff:ff:ff',
      operation: 'request',
      senderMac: '02:00:00:00:00:01',
      senderAddress: VIP,
      targetAddress: VIP,
    });
  });

  test('a request for a VIP that is only a route is answered, so that a neighbour on the link reaches it', async () => {
    client.ip(`route replace ${VIP} dev eth0`);
    const before = await client.run('arping', ['-c', '1', '-w', '1', '-I', 'eth0', VIP]);
    expect(before.status).not.toBe(0);
    responder.setArp(vips(VIP));
    const after = await client.run('arping', ['-c', '1', '-w', '25', '-I', 'eth0', VIP]);
    expect(after.stdout).toMatch(/02:00:00:00:00:01/i);
    responder.setArp(vips());
    const last = await client.run('arping', ['-c', '1', '-w', '1', '-I', 'eth0', VIP]);
    expect(last.status).not.toBe(0);
  });

  test('another station that claims the VIP is an alarm, and is answered by an announcement', async () => {
    responder.setArp(vips(VIP));
    client.ip(`addr add ${VIP}/32 dev eth0`);
    await client.run('arping', ['-c', '2', '-U', '-I', 'eth0', VIP]);
    await poll(() => alarms.length > 0, 30_000, 'the alarm');
    expect(alarms).toEqual([{ state: 'began', vip: VIP, mac: '02:00:00:00:00:99', link: 'lan0' }]);
    expect(responder.conflicts()).toHaveLength(1);
    expect(responder.counters.arp.defences).toBe(1);
  });

  test('a server in direct mode that holds the VIP on loopback, and does not answer ARP for it, is no conflict', async () => {
    responder.setArp(vips(VIP));
    client.ip(`addr add ${VIP}/32 dev lo`);
    client.sysctl({ 'net.ipv4.conf.all.arp_ignore': 1, 'net.ipv4.conf.all.arp_announce': 2 });
    client.ip('neigh flush dev eth0');
    // It speaks from the VIP, as such a server does, and has to find the appliance's MAC for it.
    await client.run('ping', ['-c', '1', '-W', '1', '-I', VIP, '10.1.0.1']);
    await poll(() => client.ip('neigh show 10.1.0.1').includes('02:00:00:00:00:01'), 30_000, 'it asked');
    expect(responder.counters.arp.conflicts).toBe(0);
    expect(alarms).toEqual([]);
  });
});

test('an agent that multicasts a solicitation is invited to the address on its own link', async () => {
  const { received, socket } = await clientSocket();
  client.within(() => socket.setMulticastInterface('10.1.0.99'));
  const solicit = encodeAnycast({ type: 'solicit', nonce: new Uint8Array(8).fill(7), versions: [1, 1] });
  socket.send(solicit, WELL_KNOWN.anycastPort, WELL_KNOWN.solicitGroup4);
  const { bytes } = await poll(() => received[0], 30_000, 'an invitation');
  expect(decodeAnycast(bytes)).toEqual({
    type: 'invite',
    nonce: new Uint8Array(8).fill(7),
    manager: MANAGER,
    name: 'cell-1',
    address: '10.1.0.1',
    port: 9746,
    tls: true,
  });
});
