import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { address } from '../../sdk/wire/address.ts';
import { Cell, farm, inside, VIP, VIP6, wanted } from '../support/dataplane.ts';
import { poll } from '../support/netns.ts';

const cell = new Cell();
let driver: Awaited<ReturnType<Cell['driver']>>;
const [A, B, C] = ['10.1.0.11', '10.1.0.12', '10.1.0.13'];

beforeAll(async () => {
  await Promise.all([cell.serve(11), cell.serve(12), cell.serve(13)]);
  driver = await cell.driver();
});
beforeEach(async () => {
  expect(await driver.apply()).toEqual([]);
});
afterAll(() => cell.dispose());

test('weighted round robin gives each server exactly its share, and the client its own address', async () => {
  await driver.apply(farm([{ at: A, weight: 3 }, B, { at: C, weight: 2 }]));
  expect(await cell.spread(60)).toEqual({ [A]: 30, [B]: 10, [C]: 20 });
  const talk = await cell.open();
  expect(talk.seenFrom).toBe('10.9.0.2');
  talk.socket.destroy();
});

test('source hash: a client keeps its server; when one goes, only its clients move', async () => {
  const clients = Array.from({ length: 24 }, (_, index) => `10.9.0.${100 + index}`);
  cell.client.ipBatch(clients.map(client => `addr add ${client}/24 dev eth0`));
  const ask = async (): Promise<Record<string, string>> => {
    const servers: Record<string, string> = {};
    for (const client of clients) {
      const talk = await cell.open(80, VIP, cell.client, client);
      servers[client] = talk.server;
      talk.socket.destroy();
    }
    return servers;
  };
  await driver.apply(farm([A, B, C], { scheduler: 'source-hash' }));
  const first = await ask();
  expect(new Set(Object.values(first)).size).toBe(3);
  await driver.apply(farm([A, B], { scheduler: 'source-hash' }));
  const second = await ask();
  for (const client of clients) {
    if (first[client] === C) expect([A, B]).toContain(second[client]);
    else expect(second[client]).toBe(first[client]);
  }
});

test('a server that dies: its client is reset at once while it waits, the others go on', async () => {
  await driver.apply(farm([A, B]));
  const talks = [await cell.open(), await cell.open(), await cell.open(), await cell.open()];
  const mine = talks.filter(talk => talk.server === A);
  expect(mine.length).toBe(2);
  const begin = performance.now();
  await driver.apply(farm([B]));
  await poll(() => mine.every(talk => talk.ended !== undefined), 1000, 'reset', 1);
  expect(mine.map(talk => talk.ended)).toEqual(['ECONNRESET', 'ECONNRESET']);
  expect(performance.now() - begin).toBeLessThan(100);
  for (const talk of talks) if (talk.server === B) expect(await talk.echo()).toBe(true);
  expect(await cell.spread(3)).toEqual({ [B]: 3 });
  for (const talk of talks) talk.socket.destroy();
});

test('a server that dies: the next datagram of the same UDP socket goes to another', async () => {
  const ports = { first: 80, last: 80 };
  await driver.apply(farm([A, B], { transport: 'udp', ports }));
  const udp = await cell.udp();
  const first = await udp.ask();
  expect([A, B]).toContain(first);
  expect(await udp.ask()).toBe(first);
  const other = first === A ? B : A;
  await driver.apply(farm([other], { transport: 'udp', ports }));
  await poll(async () => (await udp.ask(80, VIP, 50)) === other, 1000, 'the other server');
  expect(udp.source).toBe(VIP);
  udp.socket.close();
});

test('a draining server keeps its flows and gets no new ones', async () => {
  await driver.apply(farm([A, B]));
  const talks = [await cell.open(), await cell.open()];
  await driver.apply(farm([{ at: A, accepts: false }, B]));
  expect(await cell.spread(6)).toEqual({ [B]: 6 });
  for (const talk of talks) expect(await talk.echo()).toBe(true);
  for (const talk of talks) talk.socket.destroy();
});

test('established flows survive changes of their farm and of others', async () => {
  await driver.apply(farm([A, B]));
  const talks = await Promise.all(Array.from({ length: 20 }, () => cell.open()));
  for (let round = 0; round < 10; round++) {
    const other = farm([C], { ports: { first: 8080, last: 8080 } });
    await driver.apply(
      farm([{ at: A, weight: round + 1 }, B, ...(round % 2 ? [C] : [])]),
      ...(round % 3 ? [other] : []),
    );
    for (const talk of talks) expect(await talk.echo(`round ${round}`)).toBe(true);
  }
  for (const talk of talks) talk.socket.destroy();
});

test('affinity: a client stays while it is quiet for less than the time, and leaves a server that drains or dies', async () => {
  await driver.apply(farm([A, B, C], { affinity: 2 }));
  const first = (await cell.open()).server;
  expect(await cell.spread(6)).toEqual({ [first]: 6 });
  await new Promise(resolve => setTimeout(resolve, 1300));
  expect(await cell.spread(2)).toEqual({ [first]: 2 });
  await new Promise(resolve => setTimeout(resolve, 1300));
  expect(await cell.spread(2)).toEqual({ [first]: 2 });
  const members = [A, B, C].map(at => ({ at, accepts: at !== first }));
  await driver.apply(farm(members, { affinity: 2 }));
  const second = (await cell.open()).server;
  expect(second).not.toBe(first);
  expect(await cell.spread(4)).toEqual({ [second]: 4 });
  await driver.apply(
    farm(
      [A, B, C].filter(at => at !== second),
      { affinity: 2 },
    ),
  );
  const third = (await cell.open()).server;
  expect(third).not.toBe(second);
  expect(await cell.spread(4)).toEqual({ [third]: 4 });
});

test('affinity is kept alive by the packets of a long flow', async () => {
  await driver.apply(farm([A, B, C], { affinity: 1 }));
  const talk = await cell.open();
  for (let at = 0; at < 6; at++) {
    await new Promise(resolve => setTimeout(resolve, 400));
    expect(await talk.echo()).toBe(true);
  }
  expect(await cell.spread(3)).toEqual({ [talk.server]: 3 });
  talk.socket.destroy();
});

test('a farm that accepts nobody refuses at once; one that is gone takes its flows along', async () => {
  await driver.apply(farm([A]), farm([A], { transport: 'udp' }));
  const talk = await cell.open();
  await driver.apply(
    farm([{ at: A, accepts: false }]),
    farm([{ at: A, accepts: false }], { transport: 'udp' }),
  );
  const begin = performance.now();
  await expect(cell.open()).rejects.toThrow('ECONNREFUSED');
  expect(performance.now() - begin).toBeLessThan(200);
  const { stdout } = await cell.client.run('node', [
    '-e',
    `const u=require('dgram').createSocket('udp4');u.on('error',e=>{console.log(e.code);process.exit()});u.connect(80,'${VIP}',()=>u.send('?'))`,
  ]);
  expect(stdout.trim()).toBe('ECONNREFUSED');
  expect(await talk.echo()).toBe(true);
  await driver.apply();
  await poll(() => talk.ended, 1000);
  expect(talk.ended).toBe('ECONNRESET');
});

test('ports: a mapped one, a range of TCP and one of UDP, several farms on one VIP', async () => {
  await driver.apply(
    farm([{ at: A, port: 8080 }], { ports: { first: 443, last: 443 } }),
    farm([B], { ports: { first: 5000, last: 5002 } }),
    farm([C], { transport: 'udp', ports: { first: 5000, last: 5002 } }),
  );
  expect((await cell.open(443)).server).toBe(A);
  for (const port of [5000, 5001, 5002]) {
    expect((await cell.open(port)).server).toBe(B);
    const udp = await cell.udp();
    expect(await udp.ask(port)).toBe(C);
    udp.socket.close();
  }
});

test('IPv6: nat, and a dead server resets', async () => {
  const six = (...last: number[]): ReturnType<typeof farm> =>
    farm(
      last.map(n => `fd01::${n}`),
      { vip: VIP6 },
    );
  await driver.apply(six(11, 12));
  expect(await cell.spread(4, 80, VIP6)).toEqual({ [A]: 2, [B]: 2 });
  const talk = await cell.open(80, VIP6);
  await driver.apply(six(talk.server === A ? 12 : 11));
  await poll(() => talk.ended, 1000);
  expect(talk.ended).toBe('ECONNRESET');
});

test('reflection: a member of a pool reaches farms of its own cell, its own server included', async () => {
  await driver.apply(farm([A, B]));
  const server = cell.servers.find(each => each.name === A)!.namespace;
  const talks = [await cell.open(80, VIP, server), await cell.open(80, VIP, server)];
  expect(talks.map(talk => talk.server).sort()).toEqual([A, B]);
  for (const talk of talks) expect(await talk.echo()).toBe(true);
  for (const talk of talks) talk.socket.destroy();
});

test('a process on the appliance itself reaches the farm, whether the VIP is an address there or not', async () => {
  await driver.apply(farm([A]));
  cell.appliance.ip(`route add 10.50.0.0/24 dev lan`);
  expect((await cell.open(80, VIP, cell.appliance)).server).toBe(A);
  cell.appliance.ip(`addr add ${VIP}/32 dev lo`);
  expect((await cell.open(80, VIP, cell.appliance)).server).toBe(A);
  expect((await cell.open()).server).toBe(A);
  cell.appliance.ip(`addr del ${VIP}/32 dev lo`);
  cell.appliance.ip(`route del 10.50.0.0/24 dev lan`);
});

test('anycast ARP over UDP to a VIP reaches the appliance itself, also where a farm claims the port', async () => {
  const all = [farm([A], { transport: 'udp', ports: { first: 9000, last: 9999 } })];
  const responder = cell.appliance.node(
    `const u=require('dgram').createSocket('udp4');u.on('message',(m,r)=>u.send('manager',r.port,r.address)).bind(9747,()=>console.log('ready'))`,
  );
  await poll(() => responder.stdout().includes('ready'));
  await inside(cell.appliance, () => driver.driver.apply(wanted(all, [VIP, address('10.50.0.2')])));
  const udp = await cell.udp();
  expect(await udp.ask(9747, VIP)).toBe('manager');
  expect(udp.source).toBe(VIP);
  expect(await udp.ask(9747, '10.50.0.2')).toBe('manager');
  expect(udp.source).toBe('10.50.0.2');
  udp.socket.close();
  await responder.stop();
});

test('flows that other software of the router marks are none of ours: they go on, and ours beside them', async () => {
  const rule = 'ct mark 0 ct mark set 0x8001 counter';
  cell.appliance.runSync(
    'nft',
    ['-f', '-'],
    `table inet other { chain marks { type filter hook prerouting priority -151; tcp dport 81 ${rule}; }; chain kept { type filter hook postrouting priority 400; ct mark 0x8001 tcp dport 81 counter; }; }`,
  );
  await driver.apply(farm([A], { ports: { first: 81, last: 81 } }));
  const theirs = await cell.open(81, B);
  const ours = await cell.open(81);
  expect([theirs.server, ours.server]).toEqual([B, A]);
  expect(await theirs.echo()).toBe(true);
  expect(cell.appliance.runSync('nft', ['list', 'chain', 'inet', 'other', 'kept'])).toMatch(/packets [1-9]/);
  await driver.apply();
  await poll(() => ours.ended, 1000);
  expect(await theirs.echo()).toBe(true);
  theirs.socket.destroy();
  cell.appliance.runSync('nft', ['delete', 'table', 'inet', 'other']);
});
