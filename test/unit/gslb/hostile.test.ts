/** What a GSLB does not believe: it changes no answer, is counted by its reason, and is said. Without multicast it hears all the same. */
import { expect, test } from 'vitest';
import type { Signer } from '../../../appliance/host/ports.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { NoticeMessage } from '../../../sdk/wire/messages.ts';
import type { ManagerId } from '../../../sdk/wire/model.ts';
import { encodeNotice } from '../../../sdk/wire/notices.ts';
import { appendSignature, signedPart } from '../../../sdk/wire/signing.ts';
import { type VirtualWorld, virtualWorld } from '../../support/virtual.ts';
import { certificateOf, GROUP, newSigner, PORT } from '../notices/world.ts';
import { type GslbHost, PolledManager, startGslb } from './hosts.ts';
import { offer } from './world.ts';

const AT = '10.0.1.1';
const NAME = 'www.example';
const ours = offer('a', { name: NAME });

/** A manager with a service, a GSLB that answers for it, and somebody who hears everything and can send anything. */
async function scene() {
  const world = virtualWorld();
  const gslb = await startGslb(world, 'gslb', AT);
  const manager = await new PolledManager(world, 'a', '10.0.0.1').start();
  await manager.answerPolls();
  const host = world.network.host('mallory', '10.0.0.66');
  const heard: Uint8Array[] = [];
  const socket = await host.net.datagram(
    { address: address('0.0.0.0'), port: PORT, groups: [GROUP] },
    bytes => void heard.push(bytes),
    () => {},
  );
  manager.offer([ours]);
  await world.clock.advance(2000);
  expect(told(gslb)).toBe(ours.vip);
  const send = (bytes: Uint8Array): void => socket.send(bytes, PORT, address(AT));
  return { world, gslb, manager, heard, send };
}

/** Whom a client is sent to now. */
const told = ({ role }: GslbHost, client = '10.7.7.7'): string | undefined =>
  role.sight({ name: NAME, client }).explain[1]?.['vip'] as string | undefined;
const refused = ({ notices }: GslbHost, why: string): number => notices.counters()[why] ?? 0;
const whys = ({ log }: VirtualWorld): unknown[] =>
  log.of('notice-refused').map(({ fields }) => fields['why']);

/** A notice that the service is gone. */
const farewell = (manager: ManagerId, signer: Signer, boot: number): Uint8Array => {
  const bytes = encodeNotice({
    ...{ type: 'notice', manager, name: 'a', addresses: [], anycastPort: 9747, port: 9746, tls: true },
    ...{ boot, since: 1, change: 99, whole: false, bindings: [], offers: [{ ...ours, gone: true }] },
  });
  return appendSignature(bytes, signer.sign(signedPart(bytes)));
};

test('a forgery: another key, a changed byte, a certificate of another mission', async () => {
  const { world, gslb, manager, heard, send } = await scene();
  send(farewell(manager.signer.id, newSigner(), 1));
  const changed = Uint8Array.from(heard.at(-1)!);
  changed[changed.length - 70]! ^= 1;
  send(changed);
  const signer = newSigner();
  const stranger = await new PolledManager(world, 'm', '10.0.0.9', signer).start(
    {},
    {
      certificate: certificateOf(signer).fill(0x78, 44),
    },
  );
  stranger.offer([offer('m', { name: NAME, score: 999 })]);
  await world.clock.advance(3000);
  expect(told(gslb)).toBe(ours.vip);
  expect(refused(gslb, 'refused-signature')).toBeGreaterThan(0);
  expect(refused(gslb, 'refused-untrusted')).toBeGreaterThan(0);
  expect(whys(world)).toEqual(expect.arrayContaining(['signature', 'untrusted']));
  expect(gslb.role.sight({}).sites.map(row => row['manager'])).toEqual(['a']);
  await gslb.close();
});

test('a member of the mission that is no manager is not listened to', async () => {
  const { world, gslb } = await scene();
  const signer = newSigner();
  const server = await new PolledManager(world, 's', '10.0.0.9', signer).start(
    {},
    {
      certificate: certificateOf(signer, 'server'),
    },
  );
  server.offer([offer('m', { name: NAME, score: 999 })]);
  await world.clock.advance(3000);
  expect(told(gslb)).toBe(ours.vip);
  expect(refused(gslb, 'refused-no-manager')).toBeGreaterThan(0);
  await gslb.close();
});

test('a replay of what was true before, also after the manager has started anew', async () => {
  const { world, gslb, manager, heard, send } = await scene();
  const told1 = [...heard];
  const second = offer('b', { name: NAME, score: 700 });
  manager.offer([second]);
  await world.clock.advance(500);
  expect(told(gslb)).toBe(second.vip);
  for (const bytes of told1) send(bytes);
  await world.clock.advance(2000);
  expect(told(gslb)).toBe(second.vip);
  expect(refused(gslb, 'dropped-old')).toBeGreaterThan(0);
  await manager.restart(2);
  manager.offer([second]);
  await world.clock.advance(2000);
  for (const bytes of told1) send(bytes);
  await world.clock.advance(2000);
  expect(told(gslb)).toBe(second.vip);
  expect(refused(gslb, 'refused-lower-boot')).toBeGreaterThan(0);
  expect(whys(world)).toContain('lower-boot');
  await gslb.close();
});

test('a manager whose words are only replayed falls silent, and is not answered any more', async () => {
  const { world, gslb, manager, heard, send } = await scene();
  manager.host.silent = true;
  for (let second = 0; second < 10; second++) {
    for (const bytes of heard.slice(-5)) send(bytes);
    await world.clock.advance(1000);
  }
  expect(gslb.role.sight({}).sites[0]).toMatchObject({ notices: 'silent', polls: 'lost' });
  expect(gslb.role.sight({ name: NAME, client: '10.7.7.7' }).explain[0]?.['reason']).toContain('last-known');
  await gslb.close();
});

test('an answer that nobody asked for, and noise', async () => {
  const { world, gslb, manager, send } = await scene();
  const bytes = encodeNotice({
    ...{ type: 'refresh', manager: manager.signer.id, name: 'a', addresses: [], anycastPort: 9747 },
    ...{ port: 9746, tls: true, boot: 9, change: 0, beat: 1, validity: 1000, entries: 0, gone: true },
    nonce: new Uint8Array(8),
    certificate: certificateOf(manager.signer),
  } as NoticeMessage);
  send(appendSignature(bytes, manager.signer.sign(signedPart(bytes))));
  send(Uint8Array.of(1, 2, 3));
  send(new Uint8Array(5000));
  await world.clock.advance(500);
  expect(told(gslb)).toBe(ours.vip);
  expect(refused(gslb, 'dropped-unasked')).toBe(1);
  expect(refused(gslb, 'refused-malformed')).toBe(1);
  expect(refused(gslb, 'refused-too-long')).toBe(1);
  await gslb.close();
});

test('a flood of notices of managers that nobody knows costs few questions, and no answer', async () => {
  const { world, gslb, heard, send } = await scene();
  heard.length = 0;
  for (let count = 0; count < 300; count++) {
    const signer = newSigner();
    send(farewell(signer.id, signer, 1));
  }
  await world.clock.advance(1000);
  expect(told(gslb)).toBe(ours.vip);
  expect(refused(gslb, 'limit-strangers')).toBeGreaterThan(200);
  await gslb.close();
});

test('where no multicast goes, unicast receivers hear as much, and what was lost is mended', async () => {
  const world = virtualWorld({ seed: 3, quality: { loss: 0.3, jitter: 20 } });
  const gslb = await startGslb(world, 'gslb', AT, {}, { sites: {} }, ['10.0.0.1']);
  const manager = await new PolledManager(world, 'a', '10.0.0.1').start({
    interfaces: [],
    peers: [{ address: address(AT), port: PORT }],
  });
  await manager.answerPolls();
  const names = Array.from({ length: 200 }, (_, number) => `s${number}.example`);
  for (let upTo = 20; upTo <= 200; upTo += 20) {
    manager.offer(names.slice(0, upTo).map(name => offer('a', { name })));
    await world.clock.advance(300);
  }
  world.network.path(manager.host, gslb.host, { loss: 0 });
  await world.clock.advance(1000);
  expect(gslb.role.sight({}).sites[0]).toMatchObject({ manager: 'a', offers: 200, notices: 'heard' });
  await world.clock.advance(10_000);
  expect(gslb.role.sight({}).sites[0]).toMatchObject({ polls: 'answers' });
  await gslb.close();
});
