import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Log, Net } from '../../../appliance/host/ports.ts';
import { Table } from '../../../appliance/registry/table.ts';
import type { ArpConflict } from '../../../appliance/responder/arp-defender.ts';
import { createResponder, type Responder } from '../../../appliance/responder/responder.ts';
import { type Address, address, type Mac } from '../../../sdk/wire/address.ts';
import { anycastQueryFrame, BROADCAST, decodeArp, encodeArp, NO_MAC } from '../../../sdk/wire/arp.ts';
import type { ManagerId } from '../../../sdk/wire/model.ts';
import { type VirtualWorld, virtualWorld } from '../../support/virtual.ts';
import { CLIENT, directory, expectType, ListedLinks, link, MANAGER, queryBytes } from './support.ts';

const VIP = address('10.9.0.1');
const SECOND = address('10.9.0.2');
const vips = (...list: Address[]) => ({ vips: Table.from(list.map(vip => [vip, true] as const)) });
const cell = directory({ [VIP]: { '10.1.0.11': ['tcp/80 http www.cell 700'] } });

let world: VirtualWorld;
let net: Net;
let links: ListedLinks;
let responder: Responder;
let alarms: ArpConflict[];
let sentences: string[];

const create = async (log: Log = world.log): Promise<Responder> =>
  createResponder({
    clock: world.clock,
    random: world.random,
    net,
    links,
    signer: undefined,
    log,
    onConflict(alarm, sentence) {
      alarms.push(alarm);
      sentences.push(sentence);
    },
    config: {
      manager: MANAGER,
      name: 'cell-1',
      access: ['lan0', 'lan1'],
      port: 9747,
      validity: 5000,
      rate: 100,
      ring: 65536,
      registration: { address: undefined, port: 9746, tls: true },
    },
  });

beforeEach(async () => {
  world = virtualWorld();
  net = world.network.host('manager', '10.1.0.1').net;
  links = new ListedLinks();
  links.links = [link()];
  alarms = [];
  sentences = [];
  responder = await create();
});
afterEach(() => responder.close());

const sent = () => links.sent.map(frame => decodeArp(frame)!);
const ask = (vip: Address): void =>
  links.receive('lan0', anycastQueryFrame(CLIENT, address('10.1.0.99'), vip, queryBytes({ vip })));
const request = (target: Address, sender = address('10.1.0.99')): Uint8Array =>
  encodeArp({
    destination: BROADCAST,
    source: CLIENT,
    operation: 'request',
    senderMac: CLIENT,
    senderAddress: sender,
    targetMac: NO_MAC,
    targetAddress: target,
  });

test('nothing is answered or announced before it is told of something', () => {
  ask(VIP);
  links.receive('lan0', request(VIP));
  world.clock.advanceSync(10_000);
  expect(links.sent).toEqual([]);
});

test('on the link, from the directory of now', () => {
  responder.setDirectory(cell);
  ask(VIP);
  responder.setDirectory(directory({}));
  ask(VIP);
  expect(sent().map(frame => expectType(frame.message, 'answer').servers.length)).toEqual([1]);
  expect(responder.counters.link).toMatchObject({ answered: 1, 'no-such-vip': 1 });
});

test('over UDP', async () => {
  responder.setDirectory(cell);
  const received: Uint8Array[] = [];
  const client = await world.network.host('client', '10.1.0.99').net.datagram(
    { address: address('10.1.0.99'), port: 0 },
    bytes => void received.push(Uint8Array.from(bytes)),
    () => {},
  );
  client.send(queryBytes({ vip: VIP, padding: 300 }), 9747, address('10.1.0.1'));
  await world.clock.advance(100);
  expect(expectType(received[0], 'answer').servers.map(server => server.address)).toEqual(['10.1.0.11']);
});

test('VIPs are announced when they are taken up, each once per list; the kernel answers for those that it has', () => {
  responder.setArp(vips(VIP, SECOND));
  responder.setArp(vips(VIP, SECOND));
  expect(sent().map(frame => frame.senderAddress)).toEqual([VIP, SECOND]);
  world.clock.advanceSync(10_000);
  links.sent.length = 0;
  links.links = [link(), link({ name: 'lo', mac: NO_MAC, addresses: [{ address: SECOND, length: 32 }] })];
  world.clock.advanceSync(1000);
  links.receive('lan0', request(SECOND));
  links.receive('lan0', request(VIP));
  expect(sent().map(frame => [frame.operation, frame.senderAddress])).toEqual([['reply', VIP]]);
});

test('a link that comes later is opened, and the VIPs are announced there', () => {
  responder.setArp(vips(VIP));
  world.clock.advanceSync(10_000);
  expect(links.opened).toEqual(['lan0']);
  links.sent.length = 0;
  links.links = [link(), link({ name: 'lan1', index: 3, mac: '02:00:00:00:00:02' as Mac })];
  world.clock.advanceSync(1000);
  expect(links.opened).toEqual(['lan0', 'lan1']);
  expect(sent().map(frame => [frame.source, frame.senderAddress])).toEqual([['02:00:00:00:00:02', VIP]]);
});

test('one that was down, was made anew, or has another MAC is opened again, and all is announced again', () => {
  responder.setArp(vips(VIP));
  world.clock.advanceSync(10_000);
  const steps = [
    [link({ up: false })],
    [link()],
    [link({ index: 9 })],
    [link({ index: 9, mac: '02:00:00:00:00:07' as Mac })],
  ];
  const announced = steps.map(step => {
    links.sent.length = 0;
    links.links = step;
    world.clock.advanceSync(10_000);
    return links.sent.length;
  });
  expect(announced).toEqual([0, 3, 3, 3]);
  expect(links.opened).toHaveLength(4);
  expect(sent()[0]!.senderMac).toBe('02:00:00:00:00:07');
});

test('that a link is missing is said once, not each second', () => {
  world.clock.advanceSync(60_000);
  expect(world.log.of('access-link-closed').map(({ fields }) => fields['link'])).toEqual(['lan1']);
});

test('a conflict is an alarm, in a sentence, and so is its end', () => {
  responder.setArp(vips(VIP));
  links.receive('lan0', request(VIP, VIP));
  expect(responder.conflicts()).toHaveLength(1);
  world.clock.advanceSync(60_000);
  expect(alarms.map(({ state, mac }) => [state, mac])).toEqual([
    ['began', CLIENT],
    ['over', CLIENT],
  ]);
  expect(sentences).toEqual([
    expect.stringContaining(`${CLIENT} on lan0 says that it has ${VIP}`),
    expect.stringContaining(`no other station has claimed ${VIP}`),
  ]);
  expect(responder.conflicts()).toHaveLength(0);
});

test('with another key the answers are another manager’s, remembered ones too', () => {
  responder.setDirectory(cell);
  ask(VIP);
  const other = 'cd'.repeat(32) as ManagerId;
  responder.setManager(other);
  ask(VIP);
  expect(sent().map(frame => expectType(frame.message, 'answer').manager)).toEqual([MANAGER, other]);
});

test('closing leaves no timer and no socket behind', () => {
  responder.setArp(vips(VIP));
  responder.close();
  expect(world.clock.pending).toEqual([]);
  links.sent.length = 0;
  ask(VIP);
  expect(links.sent).toEqual([]);
});

test('a port that is taken is a clear error, and nothing stays open', async () => {
  await expect(create()).rejects.toThrow('UDP port 9747 for anycast ARP cannot be opened');
});
