/** Notices among strangers: what is forged, replayed, foreign or too much is refused, counted, and changes nothing. */
import { describe, expect, test } from 'vitest';
import type { Signer } from '../../../appliance/host/ports.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { NoticeMessage } from '../../../sdk/wire/messages.ts';
import type { ManagerId } from '../../../sdk/wire/model.ts';
import { decodeNotice, encodeNotice, REPAIR_SIZE } from '../../../sdk/wire/notices.ts';
import { appendSignature, signedPart } from '../../../sdk/wire/signing.ts';
import { type VirtualWorld, virtualWorld } from '../../support/virtual.ts';
import { binding, certificateOf, GROUP, Manager, newSigner, PORT, pair, trust, wanted } from './world.ts';

interface Captured {
  readonly bytes: Uint8Array;
  readonly from: string;
  readonly message: NoticeMessage;
}

/** A host that hears all multicasts, what is sent to it, and sends what it likes. */
async function stranger(world: VirtualWorld, at = '10.0.0.66') {
  const host = world.network.host(`stranger ${at}`, at);
  const captured: Captured[] = [];
  const socket = await host.net.datagram(
    { address: address('0.0.0.0'), port: PORT, groups: [GROUP] },
    (bytes, from) => void captured.push({ bytes, from, message: decodeNotice(bytes) }),
    () => {},
  );
  return {
    captured,
    of: <T extends NoticeMessage['type']>(type: T) =>
      captured.filter(
        (one): one is Captured & { message: Extract<NoticeMessage, { type: T }> } =>
          one.message.type === type,
      ),
    cast: (bytes: Uint8Array) => socket.send(bytes, PORT, GROUP),
    send: (bytes: Uint8Array, to: Manager) => socket.send(bytes, PORT, to.host.addresses[0]!),
  };
}

const signed = (message: NoticeMessage, signer: Signer): Uint8Array => {
  const bytes = encodeNotice(message);
  return appendSignature(bytes, signer.sign(signedPart(bytes)));
};

const notice = (
  manager: ManagerId,
  changes: Partial<Extract<NoticeMessage, { type: 'notice' }>> = {},
): Extract<NoticeMessage, { type: 'notice' }> => ({
  type: 'notice',
  ...{ manager, name: 'x', addresses: [], anycastPort: 9747, port: 9746, tls: true },
  ...{ boot: 1, since: 1, change: 2, whole: false, offers: [] },
  bindings: [{ ...binding(9), gone: false }],
  ...changes,
});

const repair = (signer: Signer, changes: Partial<Extract<NoticeMessage, { type: 'repair' }>> = {}) =>
  signed(
    {
      type: 'repair',
      ...{ nonce: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), since: 0, padding: 600 },
      certificate: certificateOf(signer),
      ...changes,
    },
    signer,
  );

const refusals = (manager: Manager, why: string): number => manager.notices.counters()[`refused-${why}`] ?? 0;

describe('what is not authentic', () => {
  test('a notice signed by another key than its manager’s', async () => {
    const { world, a, b } = await pair();
    a.announce([binding(1)]);
    await world.clock.advance(500);
    const mallory = await stranger(world);
    mallory.cast(signed(notice(a.signer.id), newSigner()));
    await world.clock.advance(50);
    expect(refusals(b, 'signature')).toBe(1);
    expect(b.believes(a)).toEqual(wanted([1]));
    expect(world.log.of('notice-refused')).toHaveLength(1);
  });

  test.each([
    ['a server of the mission', (signer: Signer) => certificateOf(signer, 'server'), 'no-manager'],
    ['another mission', (signer: Signer) => certificateOf(signer).fill(0x78, 44), 'untrusted'],
    ['a certificate of somebody else', () => certificateOf(newSigner()), 'no-manager'],
  ])('%s', async (_name, makeCertificate, why) => {
    const world = virtualWorld();
    const b = await new Manager(world, 'b', '10.0.0.2').start();
    const signer = newSigner();
    const other = new Manager(world, 'm', '10.0.0.7', signer);
    await other.start({}, { certificate: makeCertificate(signer) });
    other.announce([binding(1)]);
    await world.clock.advance(3000);
    expect(refusals(b, why)).toBeGreaterThan(0);
    expect(b.heard).toEqual([]);
    expect(b.notices.status()).toEqual([]);
  });

  test('one that is revoked is forgotten, and not heard again', async () => {
    const { world, a, b } = await pair();
    a.announce([binding(1)]);
    await world.clock.advance(500);
    b.notices.setTrust(trust(new Set([a.signer.id])));
    expect(b.heard.at(-1)).toEqual({ type: 'peer-gone', manager: a.signer.id });
    await world.clock.advance(3000);
    expect(b.known.has(a.signer.id)).toBe(false);
    expect(refusals(b, 'untrusted')).toBeGreaterThan(0);
  });

  test('our own identity from elsewhere is refused and said', async () => {
    const world = virtualWorld();
    const signer = newSigner();
    const a = await new Manager(world, 'a', '10.0.0.1', signer, 3).start();
    await new Manager(world, 'clone', '10.0.0.9', signer, 4).start();
    await world.clock.advance(1500);
    expect(refusals(a, 'own-identity')).toBeGreaterThan(0);
    expect(a.heard).toEqual([]);
    expect(world.log.of('notice-refused')[0]?.fields).toMatchObject({
      why: 'own-identity',
      from: '10.0.0.9',
    });
  });

  test('our identity without our signature is no alarm', async () => {
    const { world, a } = await pair();
    const mallory = await stranger(world);
    mallory.send(signed(notice(a.signer.id, { boot: 9 }), newSigner()), a);
    mallory.send(signed(notice(a.signer.id, { boot: 9 }), a.signer), a);
    await world.clock.advance(10);
    expect([refusals(a, 'signature'), refusals(a, 'own-identity')]).toEqual([1, 1]);
  });

  test('bytes that are no notice', async () => {
    const { world, b } = await pair();
    const mallory = await stranger(world);
    mallory.send(
      Uint8Array.from({ length: 40 }, (_, at) => at),
      b,
    );
    mallory.send(new Uint8Array(5000), b);
    mallory.send(encodeNotice(notice(b.signer.id)), b);
    await world.clock.advance(10);
    expect([refusals(b, 'malformed'), refusals(b, 'too-long')]).toEqual([2, 1]);
  });
});

describe('what is replayed', () => {
  test('old notices of the boot that is believed are dropped unverified', async () => {
    const { world, a, b } = await pair();
    const mallory = await stranger(world);
    a.announce([binding(1)]);
    await world.clock.advance(500);
    a.announce([binding(1, { epoch: 2 })]);
    await world.clock.advance(500);
    const before = b.heard.length;
    for (const { bytes } of mallory.of('notice')) mallory.cast(bytes);
    for (const { bytes } of mallory.of('refresh')) mallory.cast(bytes);
    await world.clock.advance(100);
    expect(b.heard.length).toBe(before);
    expect(b.notices.counters()['dropped-old']).toBeGreaterThan(2);
    expect(b.believes(a)).toEqual(wanted([1], 2));
  });

  test('refreshes of a manager that is dead do not keep it alive', async () => {
    const { world, a, b } = await pair();
    const mallory = await stranger(world);
    await world.clock.advance(3000);
    a.host.silent = true;
    for (let second = 0; second < 8; second++) {
      for (const { bytes, from } of mallory.of('refresh')) if (from === '10.0.0.1') mallory.cast(bytes);
      await world.clock.advance(500);
    }
    expect(b.silent.has(a.signer.id)).toBe(true);
  });

  test('a newcomer believes nothing that was said before it asked', async () => {
    const { world, a } = await pair();
    const mallory = await stranger(world);
    a.announce([binding(1)]);
    await world.clock.advance(2500);
    const old = mallory.captured.filter(({ from }) => from === '10.0.0.1');
    a.notices.close(false);
    a.host.silent = true;
    const late = await new Manager(world, 'c', '10.0.0.3').start();
    for (const { bytes } of old) mallory.cast(bytes);
    await world.clock.advance(3000);
    expect(old.length).toBeGreaterThan(3);
    expect(late.known.has(a.signer.id)).toBe(false);
  });

  test('an answer that was recorded proves nothing: its nonce is not open', async () => {
    const { world, a, b } = await pair();
    a.announce([binding(1)]);
    await world.clock.advance(500);
    const mallory = await stranger(world);
    const recorded = signed(
      {
        ...{ ...notice(a.signer.id), type: 'refresh', change: 0, nonce: new Uint8Array(8) },
        ...{
          certificate: certificateOf(a.signer),
          boot: 99,
          beat: 1,
          validity: 1000,
          entries: 0,
          gone: false,
        },
      } as Extract<NoticeMessage, { type: 'refresh' }>,
      a.signer,
    );
    mallory.send(recorded, b);
    await world.clock.advance(100);
    expect(b.notices.counters()['dropped-unasked']).toBe(1);
    expect(b.notices.status()).toMatchObject([{ boot: 1, known: 1 }]);
  });

  test('a lower boot changes nothing while the higher one lives', async () => {
    const { world, a, b } = await pair();
    const mallory = await stranger(world);
    a.announce([binding(1), binding(2)]);
    await world.clock.advance(500);
    const old = mallory.of('notice').map(({ bytes }) => bytes);
    await a.restart();
    a.announce([binding(2)]);
    await world.clock.advance(500);
    for (const bytes of old) mallory.cast(bytes);
    await world.clock.advance(2000);
    expect(refusals(b, 'lower-boot')).toBeGreaterThan(0);
    expect(b.believes(a)).toEqual(wanted([2]));
    expect(b.notices.status().find(({ name }) => name === 'a')).toMatchObject({ boot: 2 });
  });
});

describe('questions of strangers', () => {
  test('without a cookie no answer is longer than the question', async () => {
    const { world, a } = await pair();
    a.announce(Array.from({ length: 200 }, (_, number) => binding(number)));
    await world.clock.advance(500);
    const mallory = await stranger(world);
    const answered = a.notices.counters()['repair-answered'];
    const question = repair(newSigner(), { manager: a.signer.id });
    mallory.send(question, a);
    await world.clock.advance(100);
    const answers = mallory.captured.filter(
      ({ message }) => 'nonce' in message && message.nonce !== undefined,
    );
    expect(answers.map(({ message }) => message.type)).toEqual(['refresh']);
    expect(answers[0]!.bytes.length).toBeLessThanOrEqual(question.length);
    mallory.captured.length = 0;
    mallory.send(
      repair(newSigner(), { manager: a.signer.id, cookie: Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1) }),
      a,
    );
    await world.clock.advance(100);
    expect(mallory.of('notice').filter(({ message }) => message.nonce !== undefined)).toEqual([]);
    expect(a.notices.counters()['repair-answered']).toBe(answered);
    mallory.captured.length = 0;
    mallory.send(repair(newSigner(), { manager: a.signer.id, padding: 0 }), a);
    await world.clock.advance(100);
    expect(mallory.of('refresh').filter(({ message }) => message.nonce !== undefined)).toEqual([]);
    expect(a.notices.counters()['repair-too-short']).toBe(1);
  });

  test.each([
    ['a manager', 'manager', 'repair-answered'],
    ['a GSLB', 'gslb', 'repair-answered'],
    ['a server', 'server', 'repair-role'],
  ])('with a cookie %s gets: %s', async (_name, role, counter) => {
    const { world, a } = await pair();
    a.announce([binding(1)]);
    await world.clock.advance(500);
    const asker = await stranger(world);
    const signer = newSigner();
    const certificate = certificateOf(signer, role);
    asker.send(repair(signer, { manager: a.signer.id, certificate }), a);
    await world.clock.advance(10);
    const { cookie } = asker.of('refresh').find(({ message }) => message.cookie !== undefined)!.message;
    asker.send(repair(signer, { manager: a.signer.id, certificate, cookie: cookie! }), a);
    await world.clock.advance(10);
    expect(a.notices.counters()[counter]).toBeGreaterThan(0);
    const told = asker.of('notice').filter(({ message }) => message.nonce !== undefined);
    expect(told.length).toBe(role === 'server' ? 0 : 1);
    const forged = repair(signer, { manager: a.signer.id, certificate, cookie: cookie! });
    forged[forged.length - 1]! ^= 1;
    asker.send(forged, a);
    await world.clock.advance(10);
    expect(a.notices.counters()[role === 'server' ? 'repair-role' : 'repair-signature']).toBeGreaterThan(0);
  });

  test('a flood of questions is answered at a bounded rate', async () => {
    const { world, a } = await pair();
    await world.clock.advance(500);
    const flood = await stranger(world);
    const question = repair(newSigner(), { manager: a.signer.id });
    for (let count = 0; count < 500; count++) flood.send(question, a);
    await world.clock.advance(100);
    expect(flood.of('refresh').filter(({ message }) => message.cookie !== undefined).length).toBeLessThan(60);
    expect(a.notices.counters()['repair-limited']).toBeGreaterThan(400);
  });
});

describe('too much', () => {
  test('more managers than are listened to: the rest is refused and said', async () => {
    const world = virtualWorld();
    const a = await new Manager(world, 'a', '10.0.0.1').start({ limits: { peers: 3, bindings: 100 } });
    for (let number = 2; number < 8; number++)
      await new Manager(world, `m${number}`, `10.0.0.${number}`).start();
    await world.clock.advance(1500);
    expect(a.notices.status()).toHaveLength(3);
    expect(refusals(a, 'limit-peers')).toBeGreaterThan(0);
  });

  test('more bindings than are kept: the rest is counted and said, and every other manager has its share', async () => {
    const world = virtualWorld();
    const a = await new Manager(world, 'a', '10.0.0.1').start({ limits: { peers: 3, bindings: 60 } });
    const b = await new Manager(world, 'b', '10.0.0.2').start();
    const c = await new Manager(world, 'c', '10.0.0.3').start();
    await world.clock.advance(500);
    b.announce(Array.from({ length: 200 }, (_, number) => binding(number)));
    await world.clock.advance(2000);
    expect(a.believes(b)).toHaveLength(40);
    expect(refusals(a, 'limit-entries')).toBeGreaterThan(0);
    c.announce(Array.from({ length: 10 }, (_, number) => binding(300 + number)));
    await world.clock.advance(100);
    expect(a.believes(c)).toHaveLength(10);
    expect(a.believes(b)).toHaveLength(40);
  });

  test('certificates that nobody asked for are not looked at, and lead to few questions', async () => {
    const world = virtualWorld();
    let looked = 0;
    const judge = {
      judge(der: Uint8Array) {
        looked++;
        return trust().judge(der);
      },
    };
    const a = await new Manager(world, 'a', '10.0.0.1').start();
    const b = await new Manager(world, 'b', '10.0.0.2').start({}, { judge });
    await world.clock.advance(500);
    const mallory = await stranger(world);
    const forger = newSigner();
    looked = 0;
    for (let count = 0; count < 1000; count++) {
      const { boot, change, ...speaker } = notice(forger.id);
      const certificate = new Uint8Array(400).fill(count);
      const told = { boot, change, beat: count + 1, validity: 3000, entries: 0, gone: false, certificate };
      mallory.send(signed({ ...speaker, ...told, type: 'refresh' } as NoticeMessage, forger), b);
    }
    await world.clock.advance(50);
    expect(looked).toBe(0);
    expect(b.notices.counters()['limit-strangers']).toBeGreaterThan(900);
    a.announce([binding(1)]);
    await world.clock.advance(20_000);
    expect([b.believes(a), b.silent.size]).toEqual([wanted([1]), 0]);
  });

  test('a flood of forged notices costs a bounded number of verifications', async () => {
    const { world, a, b } = await pair();
    await world.clock.advance(500);
    const mallory = await stranger(world);
    const forged = signed(notice(a.signer.id, { since: 100, change: 101 }), newSigner());
    for (let count = 0; count < 1000; count++) mallory.send(forged, b);
    await world.clock.advance(50);
    expect(refusals(b, 'signature')).toBeLessThan(60);
    a.announce([binding(1)]);
    await world.clock.advance(100);
    expect(b.believes(a)).toEqual(wanted([1]));
  });

  test('managers that nobody knows, made up by the hundred, lead to few questions', async () => {
    const { world, b } = await pair();
    await world.clock.advance(500);
    const mallory = await stranger(world);
    const asked = b.notices.counters()['repair-asked'] ?? 0;
    for (let count = 0; count < 300; count++) {
      const made = count.toString(16).padStart(64, 'e') as ManagerId;
      mallory.send(signed(notice(made), newSigner()), b);
    }
    await world.clock.advance(900);
    expect(b.notices.counters()['repair-asked']! - asked).toBeLessThan(60);
    expect(b.notices.counters()['limit-strangers']).toBeGreaterThan(250);
  });

  test('a certificate too long to be shown is refused at the start', async () => {
    const world = virtualWorld();
    const manager = new Manager(world, 'a', '10.0.0.1');
    await expect(manager.start({}, { certificate: new Uint8Array(REPAIR_SIZE) })).rejects.toThrow(
      'notices carry at most',
    );
  });
});
