/** The host's sockets on loopback: what the fake network of the unit tests stands for. */
import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createNet } from '../../appliance/host/net.ts';
import type { Stream } from '../../appliance/host/ports.ts';
import { address } from '../../sdk/wire/address.ts';

const net = createNet();
const LOOPBACK = address('127.0.0.1');
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bivouac-net-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

test('a stream carries bytes both ways, and its end is told once to each side', async () => {
  const said: string[] = [];
  const listener = await net.listen(
    { address: LOOPBACK, port: 0 },
    (stream, peer) => {
      said.push(`from ${peer.address}`);
      return {
        onData: data => void stream.write(data),
        onClose: error => void said.push(`server ${error}`),
      };
    },
    () => {},
  );
  const stream: Stream = net.connect(
    { address: LOOPBACK, port: listener.port },
    {
      onOpen: () => void stream.write(bytes('ping')),
      onData(data) {
        said.push(`heard ${new TextDecoder().decode(data)}`);
        stream.end();
      },
      onClose: error => void said.push(`client ${error}`),
    },
  );
  await expect
    .poll(() => said.toSorted())
    .toEqual(['client undefined', 'from 127.0.0.1', 'heard ping', 'server undefined']);
  listener.close();
});

test('an IPv6 wildcard hears IPv4 too, and calls its peers by their IPv4 addresses', async () => {
  const peers: string[] = [];
  const accept = (stream: Stream, peer: { readonly address: string }) => {
    peers.push(peer.address);
    stream.destroy();
    return { onData() {}, onClose() {} };
  };
  const listener = await net.listen({ address: address('::'), port: 0 }, accept, () => {});
  for (const host of ['127.0.0.1', '::1']) connectTcp(listener.port, host).on('error', () => {});
  await expect.poll(() => peers.toSorted()).toEqual(['127.0.0.1', '::1']);
  listener.close();
});

test('why a connection failed is said in one line', async () => {
  const closed = await new Promise<string | undefined>(resolve => {
    net.connect({ address: LOOPBACK, port: 1 }, { onData() {}, onClose: resolve });
  });
  expect(closed).toBe('connect ECONNREFUSED 127.0.0.1:1');
});

test('after destroy nothing more is heard but the end', async () => {
  const server = createServer(socket => {
    socket.on('error', () => {});
    for (let count = 0; count < 50; count++) socket.write(Buffer.alloc(60_000));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const heard: string[] = [];
  const stream = net.connect(
    { address: LOOPBACK, port },
    {
      onData() {
        heard.push('data');
        stream.destroy();
      },
      onClose: error => void heard.push(`end ${error}`),
    },
  );
  await expect.poll(() => heard.at(-1)).toBe('end undefined');
  expect(heard).toEqual(['data', 'end undefined']);
  server.close();
});

test('what a peer does not read is pending', async () => {
  const server = createServer(socket => void socket.pause());
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const stream = net.connect({ address: LOOPBACK, port }, { onData() {}, onClose() {} });
  const block = new Uint8Array(1024 * 1024);
  let accepted = true;
  for (let count = 0; count < 64; count++) accepted = stream.write(block);
  expect(accepted).toBe(false);
  expect(stream.pending).toBeGreaterThan(16 * block.length);
  stream.destroy();
  server.close();
});

test('an address that is not here, or a port in use, is told', async () => {
  const none = () => ({ onData() {}, onClose() {} });
  await expect(net.listen({ address: address('192.0.2.1'), port: 0 }, none, () => {})).rejects.toThrow(
    'EADDRNOTAVAIL',
  );
  const first = await net.listen({ address: LOOPBACK, port: 0 }, none, () => {});
  await expect(net.listen({ address: LOOPBACK, port: first.port }, none, () => {})).rejects.toThrow(
    'EADDRINUSE',
  );
  first.close();
});

test('a local socket is for its owner and group; a dead one is replaced, a live one is not', async () => {
  const path = join(directory, 'control');
  const none = () => ({ onData() {}, onClose() {} });
  const first = await net.listenLocal(path, none);
  expect(statSync(path).mode & 0o777).toBe(0o660);
  await expect(net.listenLocal(path, none)).rejects.toThrow(`another process listens at ${path}`);
  first.close();
  await expect.poll(() => existsSync(path)).toBe(false);
});

test.each(['127.0.0.1', '::1'])('datagrams go and come at %s', async text => {
  const at = address(text);
  const heard: string[] = [];
  const failed: string[] = [];
  const echo = await net.datagram(
    { address: at, port: 0, receiveBuffer: 1 << 20 },
    (data, from, port) => echo.send(data, port, from),
    error => void failed.push(error),
  );
  const asking = await net.datagram(
    { address: at, port: 0 },
    (data, from, port) => void heard.push(`${new TextDecoder().decode(data)} ${from} ${port === echo.port}`),
    error => void failed.push(error),
  );
  asking.send(bytes('who'), echo.port, at);
  await expect.poll(() => heard).toEqual([`who ${text} true`]);
  asking.send(new Uint8Array(70_000), echo.port, at);
  await expect.poll(() => failed.length).toBe(1);
  expect(failed[0]).toContain(`send EMSGSIZE ${text}:${echo.port}`);
  asking.close();
  asking.send(bytes('late'), echo.port, at);
  asking.close();
  echo.close();
});

test('a group that is joined is heard', async () => {
  const heard: string[] = [];
  const group = address('239.255.79.46');
  const socket = await net.datagram(
    { address: address('0.0.0.0'), port: 0, groups: [group], interfaces: ['lo'], reuse: true },
    data => void heard.push(new TextDecoder().decode(data)),
    error => void heard.push(error),
  );
  const sender = createSocket('udp4');
  await new Promise<void>(resolve => void sender.bind(0, '127.0.0.1', resolve));
  sender.setMulticastInterface('127.0.0.1');
  sender.send('solicit', socket.port, group);
  await expect.poll(() => heard).toEqual(['solicit']);
  sender.close();
  socket.close();
});
