import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { farm as anyFarm, Cell, VIP } from '../support/dataplane.ts';
import { poll } from '../support/netns.ts';

const cell = new Cell();
let driver: Awaited<ReturnType<Cell['driver']>>;
const [A, B, C] = ['10.1.0.11', '10.1.0.12', '10.1.0.13'];
const farm: typeof anyFarm = (members, rest = {}) => anyFarm(members, { mode: 'direct', ...rest });
const received = (interfaceName: string): number =>
  Number(cell.router.runSync('cat', [`/sys/class/net/${interfaceName}/statistics/rx_packets`]));

beforeAll(async () => {
  await Promise.all([cell.serve(11, 'direct'), cell.serve(12, 'direct'), cell.serve(13, 'direct')]);
  driver = await cell.driver();
});
afterAll(() => cell.dispose());

describe.each([
  ['a route only', false],
  ['an address of the appliance', true],
])('direct mode, the VIP is %s', (_, local) => {
  beforeAll(() => {
    if (local) cell.appliance.ip(`addr add ${VIP}/32 dev lo`);
  });
  afterAll(() => {
    if (local) cell.appliance.ip(`addr del ${VIP}/32 dev lo`);
  });
  beforeEach(async () => {
    expect(await driver.apply()).toEqual([]);
  });

  test('weighted round robin; requests pass the appliance, replies only the router', async () => {
    await driver.apply(farm([{ at: A, weight: 2 }, B, C]));
    expect(await cell.spread(40)).toEqual({ [A]: 20, [B]: 10, [C]: 10 });
    const before = received('lan');
    const talk = await cell.open();
    expect(talk.seenFrom).toBe('10.9.0.2');
    for (let at = 0; at < 10; at++) expect(await talk.echo(`word ${at}`)).toBe(true);
    expect(received('lan') - before).toBeGreaterThan(10);
    expect(cell.appliance.runSync('conntrack', ['-L', '-s', '10.9.0.2', '-d', VIP])).not.toContain('tcp');
    talk.socket.destroy();
  });

  test('established flows survive changes of the farm', async () => {
    await driver.apply(farm([A, B]));
    const talks = [];
    for (let at = 0; at < 10; at++) talks.push(await cell.open());
    for (let round = 0; round < 8; round++) {
      await driver.apply(farm([{ at: A, weight: round + 1 }, B, ...(round % 2 ? [C] : [])]));
      for (const talk of talks) expect(await talk.echo(`round ${round}`)).toBe(true);
    }
    for (const talk of talks) talk.socket.destroy();
  });

  test('a server that dies: TCP is reset while it waits, UDP moves, the others go on', async () => {
    const udpFarm = (...members: string[]): ReturnType<typeof farm> => farm(members, { transport: 'udp' });
    await driver.apply(farm([A, B]), udpFarm(A, B));
    const talks = [await cell.open(), await cell.open()];
    const udp = await cell.udp();
    const first = await udp.ask();
    expect(await udp.ask()).toBe(first);
    const other = first === A ? B : A;
    await driver.apply(farm([other]), udpFarm(other));
    const [gone, stays] = talks[0]!.server === other ? [talks[1]!, talks[0]!] : [talks[0]!, talks[1]!];
    await poll(() => gone.ended, 30_000, 'reset', 1);
    expect(gone.ended).toBe('ECONNRESET');
    expect(await stays.echo()).toBe(true);
    expect(await udp.ask()).toBe(other);
    expect(udp.source).toBe(VIP);
    udp.socket.close();
    stays.socket.destroy();
  });

  test('a server that roams: its TCP flow goes on at the next appliance, and again here when it is back', async () => {
    await driver.apply(farm([A]));
    const talk = await cell.open();
    expect(await driver.part(A)).toEqual([]);
    // As if it had come to an appliance that has never heard of the flow, with another address.
    cell.appliance.runSync('nft', ['flush', 'map', 'inet', 'bivouac', 'tcp4']);
    const roamed = cell.servers.find(each => each.name === A)!.namespace;
    roamed.ip('addr add 10.1.0.99/24 dev eth0');
    await driver.apply(farm(['10.1.0.99']));
    expect(await talk.echo('there')).toBe(true);
    // Its flow is remembered by the address that it has no more.
    expect(await driver.part('10.1.0.99')).toEqual([]);
    roamed.ip('addr del 10.1.0.99/24 dev eth0');
    await driver.apply(farm([A]));
    expect(await talk.echo('and back')).toBe(true);
    // One that nobody knows is reset by the server itself; with a choice of servers, by the appliance.
    await driver.apply(farm([A, B]));
    expect(await talk.echo()).toBe(true);
    await driver.apply(farm([B]));
    await poll(() => talk.ended, 30_000, 'reset', 1);
    expect(talk.ended).toBe('ECONNRESET');
  });

  test('drain, affinity, refusal', async () => {
    await driver.apply(farm([A, B], { affinity: 30 }));
    const talk = await cell.open();
    expect(await cell.spread(4)).toEqual({ [talk.server]: 4 });
    const other = talk.server === A ? B : A;
    await driver.apply(farm([{ at: talk.server, accepts: false }, other], { affinity: 30 }));
    expect(await talk.echo()).toBe(true);
    expect(await cell.spread(4)).toEqual({ [other]: 4 });
    expect(await talk.echo()).toBe(true);
    await driver.apply(farm([{ at: talk.server, accepts: false }], { affinity: 30 }));
    await expect(cell.open()).rejects.toThrow('ECONNREFUSED');
    expect(await talk.echo()).toBe(true);
    talk.socket.destroy();
  });

  test('a range of ports, and a nat farm on the same VIP', async () => {
    await driver.apply(
      farm([A, B], { ports: { first: 5000, last: 5002 }, scheduler: 'source-hash' }),
      anyFarm([C], {
        ports: { first: 443, last: 443 },
        members: [{ ...anyFarm([C]).members[0]!, port: 8080 }],
      }),
    );
    const servers = new Set<string>();
    for (const port of [5000, 5001, 5002]) servers.add((await cell.open(port)).server);
    expect(servers.size).toBe(1);
  });

  test('replies that pass the appliance, as the servers’ gateway, arrive too', async () => {
    const server = cell.servers.find(each => each.name === A)!.namespace;
    server.ip('route replace default via 10.1.0.1');
    try {
      await driver.apply(farm([A]));
      const talk = await cell.open();
      expect(await talk.echo()).toBe(true);
      await driver.apply();
      await poll(() => talk.ended, 30_000);
      expect(talk.ended).toBe('ECONNRESET');
    } finally {
      server.ip('route replace default via 10.1.0.254');
    }
  });

  test('the way to a server comes back with its link', async () => {
    await driver.apply(farm([A]));
    cell.appliance.ip('link set lan down');
    cell.appliance.ip('link set lan up');
    await poll(() => cell.appliance.ip('route show table 9747').includes(A), 30_000, 'route');
    expect((await cell.open()).server).toBe(A);
  });
});

test('a process on the appliance reaches a direct farm when the VIP is only a route', async () => {
  await driver.apply(farm([A]));
  cell.appliance.ip('route add 10.50.0.0/24 dev lan');
  expect((await cell.open(80, VIP, cell.appliance)).server).toBe(A);
  cell.appliance.ip('route del 10.50.0.0/24 dev lan');
});
