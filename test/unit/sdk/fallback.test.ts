/** What `pick` does when the first way leads nowhere: the next manager that the GSLB named, then DNS. */
import { describe, expect, test } from 'vitest';
import { firstOf, inTurn } from '../../../sdk/client/follow.ts';
import type { Candidate, PickOptions } from '../../../sdk/client/pick.ts';
import { questionOf, type Wanted } from '../../../sdk/client/question.ts';
import { Resolver } from '../../../sdk/client/resolver.ts';
import { inOrder, srvName } from '../../../sdk/client/srv.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { AnsweredManager, ManagerId } from '../../../sdk/wire/model.ts';
import { answerTo, anycastManager, server, World } from './world.ts';

const GSLB = '10.0.0.3';
const WANTED: Wanted = { name: 'mcu.example.org', protocol: 'h323' };
const idOf = (number: number): ManagerId => `${number}`.repeat(64) as ManagerId;
const named = (number: number, ...addresses: string[]): AnsweredManager => ({
  ...{ manager: idOf(number), name: `edge${number}`, anycastPort: 9747, score: 500 },
  ...{ vips: [address('10.99.0.1')], addresses: addresses.map(address) },
});

/** A GSLB that names managers 1 and 2, each with a server of its own: 10.0.0.21 and 10.0.0.22. */
async function scene() {
  const world = new World();
  const gslb = world.network.host('gslb', GSLB);
  const asked = await anycastManager(gslb, query => [
    answerTo(query, [], { managers: { list: [named(1, '10.0.0.11'), named(2, '10.0.0.12')] } }),
  ]);
  const managers = [1, 2].map(number => world.network.host(`edge${number}`, `10.0.0.1${number}`));
  for (const [index, host] of managers.entries())
    await anycastManager(host, query => [
      answerTo(query, [server(`10.0.0.2${index + 1}`, 900)], { manager: idOf(index + 1), validity: 30_000 }),
    ]);
  world.services.set('_h323cs._tcp.mcu.example.org', [
    { target: 'mcu.example.org', port: 1720, priority: 0, weight: 700 },
  ]);
  const resolver = new Resolver({ environment: world.environment(), via: GSLB, timeout: 500, retries: 1 });
  const dead = new Set<string>();
  const tried: string[] = [];
  const dial = ({ address: to }: Candidate): Promise<string> => {
    tried.push(to);
    return dead.has(to) ? Promise.reject(new Error('refused')) : Promise.resolve(to);
  };
  const pick = (options: PickOptions<string> = {}, what: string | Wanted = WANTED) =>
    world.clock.runToEnd(resolver.pick<string>(what, { dial, ...options }));
  return { world, gslb, managers, asked, dead, tried, pick };
}

test('a GSLB that is silent holds nobody up for longer than one transmission', async () => {
  const { world, managers, pick } = await scene();
  world.network.host('other', '10.0.0.4').silent = true;
  managers[1]!.silent = true;
  const { answer } = await pick({ via: ['10.0.0.4', GSLB] });
  expect([answer.via, answer.manager]).toEqual([GSLB, idOf(1)]);
  expect(world.clock.now()).toBeLessThan(600);
  await expect(pick({ via: ['10.0.0.4', '10.0.0.12'] }, '10.99.0.9')).rejects.toMatchObject({
    code: 'ETIMEOUT',
  });
});

describe('the next manager', () => {
  test('is asked when the first one has been silent for one transmission, and says through whom', async () => {
    const { world, managers, pick } = await scene();
    managers[0]!.silent = true;
    const { address: picked, answer } = await pick();
    expect([picked, answer.manager, answer.via]).toEqual(['10.0.0.22', idOf(2), GSLB]);
    expect(world.clock.now()).toBeLessThan(600);
  });

  test('is asked when the servers of the first one cannot be connected to', async () => {
    const { dead, tried, asked, pick } = await scene();
    dead.add('10.0.0.21');
    expect((await pick()).address).toBe('10.0.0.22');
    expect(tried).toEqual(['10.0.0.21', '10.0.0.22']);
    expect(asked).toHaveLength(2);
  });

  test('an address that is dead does not hold up another manager: first addresses first', async () => {
    const list = [named(1, '10.0.0.11', '10.0.0.31'), named(2, '10.0.0.12'), named(3)];
    expect(inTurn(list).map(one => one.address)).toEqual(['10.0.0.11', '10.0.0.12', '10.0.0.31']);
    const world = new World();
    const options = { clock: world.clock, delay: 100, signal: undefined };
    const none = firstOf(inTurn(list), { ...options, ask: () => Promise.reject(new Error('silent')) });
    expect(await world.clock.runToEnd(none)).toBeUndefined();
  });
});

describe('DNS', () => {
  const silence = async () => {
    const all = await scene();
    for (const host of [all.gslb, ...all.managers]) host.silent = true;
    all.world.names.set('mcu.example.org', [address('10.99.0.1')]);
    return all;
  };

  test('names the port (SRV) when nobody answers by anycast ARP', async () => {
    const { pick } = await silence();
    const picked = await pick();
    expect([picked.address, picked.port, picked.service.score]).toEqual(['10.99.0.1', 1720, 700]);
    expect([picked.answer.manager, picked.answer.vip, picked.answer.signed]).toEqual([
      '',
      '10.99.0.1',
      false,
    ]);
  });

  test('is asked, too, when no server of any manager can be connected to', async () => {
    const { world, dead, tried, pick } = await scene();
    world.names.set('mcu.example.org', [address('10.99.0.1')]);
    dead.add('10.0.0.21').add('10.0.0.22');
    expect((await pick()).address).toBe('10.99.0.1');
    expect(tried).toEqual(['10.0.0.21', '10.0.0.22', '10.99.0.1']);
  });

  test.each([
    ['it has no such record', { name: 'other.example.org', protocol: 'h323' }, {}, 'ETIMEOUT'],
    ['the protocol is not told', 'mcu.example.org', {}, 'ETIMEOUT'],
    ['there is no name', { protocol: 'h323' }, {}, 'ETIMEOUT'],
    ['the argument is wrong', WANTED, { want: 1000 }, 'EINVAL'],
  ] as const)('is not: %s', async (_why, what, options, code) => {
    const { pick } = await silence();
    await expect(pick(options, what)).rejects.toMatchObject({ code });
  });

  test('is not trusted where signed answers are wanted', async () => {
    const { world, pick } = await silence();
    const { publicKey } = await import('node:crypto').then(({ generateKeyPairSync }) =>
      generateKeyPairSync('ed25519', { publicKeyEncoding: { type: 'spki', format: 'pem' } }),
    );
    await expect(pick({ publicKey })).rejects.toMatchObject({ code: 'ETIMEOUT' });
    expect(world.clock.timers).toBe(0);
  });
});

test('names of services: H.323 by its Annex O, others by their own word', () => {
  const of = (wanted: Wanted) => srvName(questionOf(wanted));
  expect(of({ name: 'a.b', protocol: 'h323' })).toBe('_h323cs._tcp.a.b');
  expect(of({ name: 'a.b', protocol: 'h323', transport: 'udp' })).toBe('_h323ls._udp.a.b');
  expect(of({ name: 'a.b', protocol: 'sip', transport: 'udp' })).toBe('_sip._udp.a.b');
  expect(of({ name: 'a.b', protocol: 'h323', transport: 'sctp' })).toBeUndefined();
  expect(of({ name: 'a.b', protocol: 'x.y' })).toBeUndefined();
});

test('records by priority, and of one priority as often first as they weigh', () => {
  const record = (target: string, priority: number, weight: number) => ({
    target,
    port: 1,
    priority,
    weight,
  });
  const records = [record('late', 2, 9), record('heavy', 1, 3), record('light', 1, 1), record('none', 1, 0)];
  const first = new Map<string, number>();
  for (let step = 0; step < 400; step++) {
    const ordered = inOrder(records, () => (step % 400) / 400);
    expect(ordered.map(({ target }) => target).sort()).toEqual(['heavy', 'late', 'light', 'none']);
    expect(ordered.at(-1)!.target).toBe('late');
    const { target } = ordered[0]!;
    first.set(target, (first.get(target) ?? 0) + 1);
  }
  expect(first.get('heavy')! / first.get('light')!).toBeCloseTo(3, 1);
  expect(first.get('none')).toBe(1);
});
