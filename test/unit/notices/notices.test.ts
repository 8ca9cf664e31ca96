/** Notices between managers, in virtual time: what is told is heard, whatever the network and strangers do. */
import { describe, expect, test } from 'vitest';
import { virtualWorld } from '../../support/virtual.ts';
import { announced, binding, Manager, offer, pair, vip, wanted } from './world.ts';

const numbers = (count: number, from = 1): number[] => Array.from({ length: count }, (_, at) => from + at);

describe('on a network without faults', () => {
  test('a manager that starts learns of another, and of what it announces, within a moment', async () => {
    const { world, a, b } = await pair();
    await world.clock.advance(200);
    a.announce([binding(1), binding(2)]);
    await world.clock.advance(2);
    expect(b.believes(a)).toEqual(wanted([1, 2]));
    const late = await new Manager(world, 'c', '10.0.0.3').start();
    await world.clock.advance(200);
    expect(late.believes(a)).toEqual(wanted([1, 2]));
    expect(late.heard.find(event => event.manager === a.signer.id)).toMatchObject({
      name: 'a',
      addresses: ['10.0.0.1'],
      complete: true,
      port: 9746,
    });
  });

  test('a higher epoch is heard one packet later', async () => {
    const { world, a, b } = await pair();
    a.announce([binding(1)]);
    await world.clock.advance(500);
    b.heard.length = 0;
    a.announce([binding(1, { epoch: 2 })]);
    const took = await world.clock.runUntil(() => b.heard.length > 0);
    expect(took).toBeLessThan(1);
    expect(b.heard).toMatchObject([{ bindings: [{ vip: vip(1), epoch: 2 }], complete: false }]);
  });

  test('what is gone is told as gone; offers too', async () => {
    const { world, a, b } = await pair();
    a.announce([binding(1), binding(2)], [offer(1)]);
    await world.clock.advance(500);
    b.heard.length = 0;
    a.announce([binding(2)]);
    await world.clock.advance(50);
    expect(b.heard).toMatchObject([{ gone: [{ vip: vip(1) }], offersGone: [{ name: 's1.example' }] }]);
    expect(b.believes(a)).toEqual(wanted([2]));
  });

  test('a score that drifts is told with a refresh, one that falls to zero at once', async () => {
    const { world, a, b } = await pair();
    a.announce([], [offer(1)]);
    await world.clock.advance(500);
    b.heard.length = 0;
    a.announce([], [offer(1, { score: 490 })]);
    await world.clock.advance(50);
    expect(b.heard).toEqual([]);
    await world.clock.advance(1100);
    expect(b.heard).toMatchObject([{ offers: [{ score: 490 }] }]);
    a.announce([], [offer(1, { score: 0 })]);
    await world.clock.advance(10);
    expect(b.heard.at(-1)).toMatchObject({ offers: [{ score: 0 }] });
  });

  test('a thousand changes at once are one paced flow of full datagrams', async () => {
    const { world, a, b } = await pair();
    await world.clock.advance(500);
    const before = a.notices.counters()['notice-sent'] ?? 0;
    a.announce(numbers(1000).map(number => binding(number)));
    expect(a.notices.counters()['notice-sent']! - before).toBeLessThanOrEqual(8);
    const took = await world.clock.runUntil(() => b.believes(a).length === 1000);
    expect(took).toBeLessThan(30);
    const sent = a.notices.counters()['notice-sent']! - before;
    expect(sent).toBeLessThan(80);
    expect(b.notices.counters()['repair-asked'] ?? 0).toBeLessThanOrEqual(2);
  });

  test('what changes there and back before it is told is not told', async () => {
    const { world, a, b } = await pair();
    a.announce([binding(1)]);
    await world.clock.advance(500);
    b.heard.length = 0;
    a.announce([binding(1), binding(2)]);
    a.announce([binding(1), binding(2), binding(3)]);
    a.announce([binding(1), binding(2)]);
    await world.clock.advance(100);
    expect(b.heard.flatMap(event => (event.type === 'heard' ? event.bindings : []))).toMatchObject([
      { vip: vip(2) },
    ]);
  });

  test('unicast receivers need no multicast', async () => {
    const world = virtualWorld();
    const unicast = (to: string) => ({ interfaces: [], peers: [{ address: to as never, port: 9748 }] });
    const a = await new Manager(world, 'a', '10.0.0.1').start(unicast('10.0.0.2'));
    const b = await new Manager(world, 'b', '10.0.0.2').start(unicast('10.0.0.1'));
    a.announce([binding(1)]);
    await world.clock.advance(1500);
    expect(b.believes(a)).toEqual(wanted([1]));
    expect(a.known.has(b.signer.id)).toBe(true);
  });
});

describe('on a network that loses, doubles and reorders', () => {
  test('a notice that is lost is mended within some tens of ms', async () => {
    const { world, a, b } = await pair();
    a.announce([binding(1)]);
    await world.clock.advance(500);
    world.network.partition(a.host, b.host, true);
    a.announce([binding(1, { epoch: 2 })]);
    await world.clock.advance(1);
    world.network.partition(a.host, b.host, false);
    const took = await world.clock.runUntil(() => b.believes(a)[0] === `${vip(1)} 2`);
    expect(took).toBeLessThan(80);
  });

  test.each([1, 2, 3, 4])('everybody knows everything in the end (seed %d)', async seed => {
    const { world, a, b } = await pair({
      seed,
      quality: { latency: 1, jitter: 15, loss: 0.25, duplication: 0.2 },
    });
    for (let round = 0; round < 20; round++) {
      const here = numbers(40).filter(() => world.random.uniform() < 0.6);
      a.announce(here.map(number => binding(number, { epoch: round + 1 })));
      b.announce(here.map(number => binding(number + 500, { epoch: round + 1 })));
      await world.clock.advance(world.random.uniform() * 300);
    }
    const last = [binding(1, { epoch: 99 }), binding(7, { epoch: 99 })];
    a.announce(last);
    await world.clock.advance(8000);
    expect(b.believes(a)).toEqual(wanted([1, 7], 99));
  });

  test('a big table comes in parts, whichever are lost', async () => {
    const { world, a } = await pair({ seed: 5 });
    a.announce(numbers(3000).map(number => binding(number)));
    await world.clock.advance(1000);
    const late = new Manager(world, 'c', '10.0.0.3');
    world.network.path(a.host, late.host, { loss: 0.2, jitter: 5 });
    await late.start();
    await world.clock.runUntil(() => late.believes(a).length === 3000, 20_000);
    const complete = late.heard.filter(
      event => event.type === 'heard' && event.complete && event.manager === a.signer.id,
    );
    expect(complete.length).toBe(1);
    expect(a.notices.counters()['repair-sent']).toBeLessThan(500);
  });

  test('who missed that something is gone, for longer than that is remembered, is told the whole table', async () => {
    const { world, a, b } = await pair();
    a.announce(numbers(5).map(number => binding(number)));
    await world.clock.advance(500);
    world.network.partition(a.host, b.host, true);
    a.announce([binding(5)]);
    await world.clock.advance(700_000);
    a.announce([binding(5), binding(6)]);
    await world.clock.advance(700_000);
    a.announce([binding(5), binding(6), binding(7)]);
    expect(b.silent.has(a.signer.id)).toBe(true);
    expect(b.believes(a)).toEqual(wanted([1, 2, 3, 4, 5]));
    world.network.partition(a.host, b.host, false);
    await world.clock.advance(2500);
    expect(b.silent.has(a.signer.id)).toBe(false);
    expect(b.believes(a)).toEqual(wanted([5, 6, 7]));
  });
});

describe('life of a peer', () => {
  test('silence is told after three and a half refreshes, and ends with the next word', async () => {
    const { world, a, b } = await pair();
    await world.clock.advance(500);
    a.host.silent = true;
    await world.clock.advance(2400);
    expect(b.silent.size).toBe(0);
    await world.clock.advance(1300);
    expect(b.silent.has(a.signer.id)).toBe(true);
    expect(b.notices.status()).toMatchObject([{ name: 'a', silent: true }]);
    a.host.silent = false;
    await world.clock.advance(1200);
    expect(b.silent.size).toBe(0);
  });

  test('a pause of this process is not taken for the silence of others', async () => {
    const { world, a, b } = await pair();
    await world.clock.advance(500);
    a.host.silent = true;
    const { heardAgo } = b.notices.status()[0]!;
    // As after a pause: the timer is due, and what the others sent meanwhile is read right after it.
    await world.clock.advance(3520 - heardAgo);
    a.host.silent = false;
    a.announce([binding(1)]);
    await world.clock.advance(2000);
    expect(b.heard.map(({ type }) => type)).not.toContain('peer-silent');
  });

  test('a silent peer is forgotten after an hour; one that takes its leave at once', async () => {
    const { world, a, b } = await pair();
    await world.clock.advance(500);
    a.notices.close(true);
    await world.clock.advance(5);
    expect(b.heard.at(-1)).toEqual({ type: 'peer-gone', manager: a.signer.id });
    b.host.silent = true;
    const c = await new Manager(world, 'c', '10.0.0.3').start();
    b.host.silent = false;
    await world.clock.advance(2000);
    expect(b.known.has(c.signer.id)).toBe(true);
    c.host.silent = true;
    await world.clock.advance(3_700_000);
    expect(b.heard.at(-1)).toEqual({ type: 'peer-gone', manager: c.signer.id });
    expect(b.notices.status()).toEqual([]);
  });

  test('a restart is believed once it is proved; what is not announced again is gone', async () => {
    const { world, a, b } = await pair();
    a.announce([binding(1), binding(2)]);
    await world.clock.advance(500);
    await a.restart();
    a.announce([binding(2, { epoch: 5 })]);
    await world.clock.advance(300);
    expect(b.believes(a)).toEqual(wanted([2], 5));
    expect(b.notices.status()).toMatchObject([{ boot: 2, bindings: 1 }]);
  });

  test('a boot counter that was lost is refused first, and taken once the manager has proved it', async () => {
    const { world, a, b } = await pair();
    a.boot = 56;
    await a.restart(57);
    a.announce([binding(1)]);
    await world.clock.advance(500);
    expect(b.notices.status()).toMatchObject([{ boot: 57 }]);
    await a.restart(1);
    a.announce([binding(3)]);
    await world.clock.advance(3000);
    expect(b.notices.counters()['refused-lower-boot']).toBeGreaterThan(0);
    expect(b.believes(a)).toEqual(wanted([3]));
    expect(world.log.of('peer-boot-lower')).toHaveLength(1);
  });
});

test('announced tables are compared by content: the same again is not told', async () => {
  const { world, a, b } = await pair();
  a.announce([binding(1, { hosts: [Uint8Array.of(1, 2, 3)] })], [offer(1)]);
  await world.clock.advance(500);
  b.heard.length = 0;
  a.notices.announce(announced([binding(1, { hosts: [Uint8Array.of(1, 2, 3)] })], [offer(1)]));
  await world.clock.advance(500);
  expect(b.heard).toEqual([]);
});
