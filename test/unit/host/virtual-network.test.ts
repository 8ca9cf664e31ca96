import { describe, expect, it } from 'vitest';
import type { Stream } from '../../../appliance/host/ports.ts';
import { address } from '../../../sdk/wire/address.ts';
import { virtualWorld } from '../../support/virtual.ts';

const SERVER = address('10.0.0.2');

/** A client and a server with latency 5 ms; the server keeps what it hears. */
async function pair(quality = {}) {
  const world = virtualWorld({ quality: { latency: 5, ...quality } });
  const client = world.network.host('client', '10.0.0.1');
  const server = world.network.host('server', '10.0.0.2');
  const heard: Uint8Array[] = [];
  const events: string[] = [];
  let accepted: Stream | undefined;
  await server.net.listen(
    { address: SERVER, port: 80 },
    stream => {
      accepted = stream;
      events.push(`accept ${world.clock.now()}`);
      return {
        onData: bytes => heard.push(bytes),
        onClose: error => events.push(`server closed ${error ?? ''}`),
      };
    },
    () => {},
  );
  const received: Uint8Array[] = [];
  const connect = (port = 80): Stream =>
    client.net.connect(
      { address: SERVER, port },
      {
        onOpen: () => events.push(`open ${world.clock.now()}`),
        onData: bytes => received.push(bytes),
        onDrain: () => events.push('drain'),
        onClose: error => events.push(`client closed ${error ?? ''}`),
      },
    );
  return { world, client, server, heard, received, events, connect, accepted: () => accepted! };
}

const size = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);

describe('streams in virtual time', () => {
  it('open after a round trip, carry bytes, and end in order on both sides', async () => {
    const { world, heard, events, connect } = await pair();
    const stream = connect();
    stream.write(Uint8Array.of(1, 2));
    await world.clock.advance(15);
    expect(events).toEqual(['open 10', 'accept 15']);
    stream.write(Uint8Array.of(3));
    stream.end();
    await world.clock.advance(20);
    expect(Buffer.concat(heard)).toEqual(Buffer.of(1, 2, 3));
    expect(events.slice(2).sort()).toEqual(['client closed ', 'server closed ']);
    expect(world.clock.pending).toEqual([]);
  });

  it('are refused where nobody listens, and wait where the port or the host is silent', async () => {
    const { world, server, events, connect } = await pair();
    connect(81);
    await world.clock.advance(10);
    expect(events).toEqual(['client closed connect ECONNREFUSED 10.0.0.2:81']);
    server.dropped.add(80);
    connect();
    await world.clock.advance(126_000);
    expect(events).toHaveLength(1);
    await world.clock.advance(2_000);
    expect(events[1]).toBe('client closed connect ETIMEDOUT 10.0.0.2:80');
  });

  it('hold back a writer whose reader is slow, and let it go on later', async () => {
    const { world, heard, events, connect, accepted } = await pair();
    const stream = connect();
    await world.clock.advance(20);
    accepted().pause();
    expect(stream.write(new Uint8Array(200_000))).toBe(false);
    await world.clock.advance(1_000);
    expect(stream.pending).toBe(200_000 - 65_536);
    expect(heard).toEqual([]);
    accepted().resume();
    await world.clock.advance(1_000);
    expect(size(heard)).toBe(200_000);
    expect(events).toContain('drain');
  });

  it('arrive whole and in order through loss, jitter and duplication', async () => {
    const { world, heard, connect } = await pair({ loss: 0.3, jitter: 20, duplication: 0.3 });
    const stream = connect();
    for (let part = 0; part < 50; part++) stream.write(Uint8Array.of(part));
    await world.clock.runUntil(() => size(heard) === 50, 600_000);
    expect([...Buffer.concat(heard)]).toEqual(Array.from({ length: 50 }, (_, part) => part));
  });

  it('notice a killed process at once, a vanished host not at all, a rebooted one when they write', async () => {
    const killed = await pair();
    killed.connect();
    await killed.world.clock.advance(20);
    killed.server.kill();
    await killed.world.clock.advance(5);
    expect(killed.events.at(-1)).toBe('client closed ');

    const vanished = await pair();
    vanished.connect();
    await vanished.world.clock.advance(20);
    vanished.server.silent = true;
    await vanished.world.clock.advance(60_000);
    expect(vanished.events.at(-1)).toBe('accept 15');

    const rebooted = await pair();
    const stream = rebooted.connect();
    await rebooted.world.clock.advance(20);
    rebooted.server.reboot();
    await rebooted.world.clock.advance(1_000);
    expect(rebooted.events.at(-1)).toBe('accept 15');
    stream.write(Uint8Array.of(1));
    await rebooted.world.clock.advance(10);
    expect(rebooted.events.at(-1)).toBe('client closed read ECONNRESET');
  });

  it('get a reset from a host that took the address over', async () => {
    const { world, events, connect } = await pair();
    const stream = connect();
    await world.clock.advance(20);
    world.network.host('thief').adopt('10.0.0.2');
    stream.write(Uint8Array.of(1));
    await world.clock.advance(10);
    expect(events.at(-1)).toBe('client closed read ECONNRESET');
  });
});

describe('datagrams in virtual time', () => {
  it('reach the socket, the group, and nobody else', async () => {
    const { world, client, server } = await pair();
    const got: string[] = [];
    const group = address('239.1.1.1');
    const any = address('0.0.0.0');
    await server.net.datagram(
      { address: any, port: 53, groups: [group] },
      (bytes, from, port) => got.push(`${bytes} ${from} ${port}`),
      () => {},
    );
    const socket = await client.net.datagram(
      { address: any, port: 1000 },
      () => {},
      () => {},
    );
    socket.send(Uint8Array.of(1), 53, SERVER);
    socket.send(Uint8Array.of(2), 53, group);
    socket.send(Uint8Array.of(3), 54, SERVER);
    socket.send(Uint8Array.of(4), 53, address('239.1.1.2'));
    await world.clock.advance(5);
    expect(got).toEqual(['1 10.0.0.1 1000', '2 10.0.0.1 1000']);
  });

  it('are lost and doubled as often as the path says, the same in each run of a seed', async () => {
    const count = async (): Promise<number> => {
      const { world, client, server } = await pair({ loss: 0.2, duplication: 0.1 });
      let got = 0;
      const any = address('0.0.0.0');
      await server.net.datagram(
        { address: any, port: 53 },
        () => void got++,
        () => {},
      );
      const socket = await client.net.datagram(
        { address: any, port: 0 },
        () => {},
        () => {},
      );
      for (let sent = 0; sent < 1_000; sent++) socket.send(Uint8Array.of(1), 53, SERVER);
      await world.clock.advance(5);
      return got;
    };
    const first = await count();
    expect(first).toBeGreaterThan(800);
    expect(first).toBeLessThan(960);
    expect(await count()).toBe(first);
  });
});
