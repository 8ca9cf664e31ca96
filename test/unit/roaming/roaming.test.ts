/** The whole room: frames in, invitations and hastened checks out. */
import { beforeEach, expect, test } from 'vitest';
import type { Known } from '../../../appliance/roaming/hints.ts';
import { createRoaming, type Roaming } from '../../../appliance/roaming/roaming.ts';
import { udpPayload } from '../../../appliance/roaming/udp-frame.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import type { ServerId } from '../../../sdk/wire/model.ts';
import { dhcpFrame, type Written } from '../../support/dhcp.ts';
import { virtualWorld } from '../../support/virtual.ts';
import { ListedLinks, link } from '../responder/support.ts';

const WEB1 = 'aa'.repeat(32) as ServerId;
const WEB2 = 'bb'.repeat(32) as ServerId;
const KNOWN_MAC = '01020000000101';
const A = '10.1.0.50';
const MESSAGE = Uint8Array.of(0x42, 0x56, 1, 0x26);

let world: ReturnType<typeof virtualWorld>;
let links: ListedLinks;
let registered: Set<string>;
let addresses: Map<string, ServerId>;
let hosts: readonly Uint8Array[];
let hastened: string[];
let seen: string[];
let routed: number;
let room: Roaming;

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

beforeEach(() => {
  world = virtualWorld();
  links = new ListedLinks();
  links.links = [link()];
  registered = new Set();
  addresses = new Map();
  hosts = [];
  hastened = [];
  seen = [];
  routed = 0;
  const known: Known = {
    serverAt: at => addresses.get(at),
    serverOf: identifiers => (identifiers.some(one => hexOf(one) === KNOWN_MAC) ? WEB1 : undefined),
    isRegistered: (server, at) => registered.has(`${server} ${at}`),
    isHere: server => [...addresses.values()].includes(server),
    hostsOf: () => hosts,
  };
  room = createRoaming({
    clock: world.clock,
    links,
    log: world.log,
    access: ['lan0'],
    known,
    invitation: () => ({ message: MESSAGE, from: address('10.1.0.1'), port: 9747, send: () => routed++ }),
    hasten: (server, reason) => hastened.push(`${server.slice(0, 2)} ${reason.code}`),
    seen: (server, ids) => seen.push(`${server.slice(0, 2)} ${ids.map(hexOf).join(',')}`),
  });
});

const hear = (type: Parameters<typeof dhcpFrame>[0], fields?: Written): void =>
  links.receive('lan0', dhcpFrame(type, fields));
const register = (server: ServerId, at: string): void => {
  registered.add(`${server} ${at}`);
  addresses.set(at as Address, server);
};

test('a known host is invited at its hardware address after 5, 10, 20 … ms, until 2 s are over', async () => {
  hear('ack', { given: A });
  const times: number[] = [];
  for (let at = 0; at < 3000; at++) {
    const before = links.sent.length;
    await world.clock.advance(1);
    if (links.sent.length > before) times.push(at + 1);
  }
  expect(times).toEqual([5, 15, 35, 75, 155, 315, 635, 1275]);
  const frame = links.sent[0]!;
  expect(hexOf(frame.subarray(0, 12))).toBe('020000000101020000000001');
  expect(hexOf(frame.subarray(26, 38))).toBe('0a0100010a01003226132613');
  expect(udpPayload(frame)).toEqual(MESSAGE);
});

test('not any more once it is registered', async () => {
  hear('ack', { given: A });
  await world.clock.advance(20);
  register(WEB1, A);
  await world.clock.advance(3000);
  expect(links.sent.length).toBe(2);
});

test('a REQUEST is enough: the answer may pass on a switch; an ACK begins anew', async () => {
  hear('request', { requested: A });
  await world.clock.advance(100);
  expect(links.sent.length).toBe(4);
  hear('request', { requested: A });
  hear('ack', { given: A });
  hear('ack', { given: A });
  await world.clock.advance(5);
  expect(links.sent.length).toBe(5);
  expect(room.counters.hints).toMatchObject({ invited: 2, 'invitation-under-way': 2 });
});

test('one behind a relay is invited by way of the kernel', async () => {
  hear('ack', { given: '10.7.0.50', relay: '10.7.0.1' });
  await world.clock.advance(5);
  expect([links.sent.length, routed]).toEqual([0, 1]);
});

test('strangers are not invited, nor is who registered long ago and stays', async () => {
  hear('ack', { given: A, mac: '02:00:00:00:09:09' });
  register(WEB1, '10.1.0.51');
  hear('ack', { given: '10.1.0.51' });
  await world.clock.advance(3000);
  expect(links.sent).toEqual([]);
});

test('the address of a server that is lost is enough to be invited', async () => {
  addresses.set(A, WEB2);
  hear('ack', { given: A, mac: '02:00:00:00:09:09' });
  await world.clock.advance(5);
  expect(links.sent.length).toBe(1);
});

test.each([
  ['release', { current: A }, 'bb dhcp-released'],
  ['decline', { requested: A }, 'bb dhcp-declined'],
] as const)('%s hastens the check of who is at the address', (type, fields, expected) => {
  register(WEB2, A);
  hear(type, { ...fields, mac: '02:00:00:00:09:09' });
  expect(hastened).toEqual([expected]);
});

test('NAK to a known host, a changed lease, and a peer that sees it hasten, a server once a second', async () => {
  register(WEB1, A);
  hear('nak');
  hear('nak');
  expect(hastened).toEqual(['aa dhcp-refused']);
  await world.clock.advance(1000);
  hear('ack', { given: A });
  hear('ack', { given: '10.1.0.77' });
  await world.clock.advance(1000);
  room.seenElsewhere([Uint8Array.of(9), Buffer.from(KNOWN_MAC, 'hex')], 'cell-b');
  expect(hastened).toEqual(['aa dhcp-refused', 'aa dhcp-changed', 'aa seen-elsewhere']);
});

test('by what the host of a server is known is told once, whichever came first', async () => {
  hear('ack', { given: A, mac: '02:00:00:00:09:09', client: [0, 1, 2], lease: 600 });
  register(WEB2, A);
  await world.clock.advance(1000);
  expect(seen).toEqual(['bb 01020000000909,000102']);
  hosts = [Buffer.from('01020000000909', 'hex'), Buffer.from('000102', 'hex')];
  await world.clock.advance(5000);
  expect(seen.length).toBe(1);
});

test('of two hosts that both show the address of a server, the last is told of, and once', async () => {
  register(WEB2, A);
  hear('ack', { given: A, mac: '02:00:00:00:09:08', lease: 600 });
  hear('ack', { given: A, mac: '02:00:00:00:09:09', lease: 600 });
  await world.clock.advance(1000);
  hosts = [Buffer.from('01020000000909', 'hex')];
  await world.clock.advance(5000);
  expect(seen).toEqual(['bb 01020000000909']);
});

test('a host that shows up at one address after the other is not invited at all of them', async () => {
  for (let last = 1; last <= 200; last++) hear('ack', { given: `10.1.0.${last}`, relay: '10.7.0.1' });
  await world.clock.advance(5);
  expect([routed, room.counters.hints['invitation-too-many']]).toEqual([4, 196]);
});

test('what was done is seen per host', async () => {
  hear('ack', { given: A, name: 'web1' });
  hear('discover', { mac: '02:00:00:00:09:09' });
  expect(room.hosts().map(({ name, state, knownAs, hint }) => [name, state, knownAs, hint])).toEqual([
    ['', 'asking', undefined, ''],
    ['web1', 'bound', WEB1, `invite: host ${KNOWN_MAC} has ${A} on lan0`],
  ]);
});

test('a link that comes later, or is made anew, is opened; at the end nothing is left behind', async () => {
  room.close();
  links.links = [];
  links.opened.length = 0;
  await world.clock.advance(1000);
  expect(links.opened).toEqual([]);
  expect(world.clock.pending).toEqual([]);
});
