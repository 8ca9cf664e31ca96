import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Assembly, MAX_BYTES } from '../../../sdk/client/assembly.ts';
import { Exchange } from '../../../sdk/client/exchange.ts';
import { Resolver } from '../../../sdk/client/resolver.ts';
import { identityOf } from '../../../sdk/client/trust.ts';
import { address } from '../../../sdk/wire/address.ts';
import { splitAnswer } from '../../../sdk/wire/answer.ts';
import { decodeAnycast, encodeAnycast } from '../../../sdk/wire/anycast.ts';
import type { ManagerId } from '../../../sdk/wire/model.ts';
import { appendSignature, signedPart } from '../../../sdk/wire/signing.ts';
import { seededRandom } from '../../support/virtual/random.ts';
import { answerTo, anycastManager, MANAGER_ID, server, World } from './world.ts';

const at = '10.0.0.1';
const two = [server('10.0.0.21', 900), server('10.0.0.22', 400)];

function keyed() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const id = identityOf(publicKey.export({ type: 'spki', format: 'der' })) as ManagerId;
  const signed = (message: Parameters<typeof encodeAnycast>[0]): Uint8Array => {
    const bytes = encodeAnycast(message);
    return appendSignature(bytes, sign(null, signedPart(bytes), privateKey));
  };
  return { publicKey, id, signed };
}

describe('query', () => {
  it('gives servers best first, who answered, the round trip, and for how long it holds', async () => {
    const world = new World();
    const queries = await anycastManager(world.manager, query => [answerTo(query, [...two].reverse())]);
    const resolver = new Resolver({ environment: world.environment() });
    const answer = await world.clock.runToEnd(
      resolver.query({ protocol: 'h323', transport: 'tcp', ports: 1720 }, { via: at, want: 5 }),
    );
    expect(queries[0]).toMatchObject({
      selector: { protocol: 'h323', transport: 'tcp', ports: [{ first: 1720, last: 1720 }] },
      want: 5,
    });
    expect([...answer].map(entry => [entry.address, entry.score])).toEqual([
      ['10.0.0.21', 900],
      ['10.0.0.22', 400],
    ]);
    expect(answer).toMatchObject({ from: at, manager: MANAGER_ID, signed: false, omitted: 0 });
    expect(answer.roundTrip).toBeCloseTo(0.4);
    expect(answer.fresh()).toBe(true);
    await world.clock.advance(1000);
    expect([answer.fresh(), answer.remaining()]).toEqual([false, 0]);
    expect(world.clock.timers).toBe(0);
  });

  it('asks the VIP itself, what DNS says of a name, or the default router', async () => {
    const world = new World();
    world.manager.adopt('10.99.0.1');
    world.names.set('mcu.example.org', [address('10.99.0.1')]);
    const queries = await anycastManager(world.manager, query => [answerTo(query, two)]);
    // A virtual host answers from the address that it shares with the asker's family, so only the source tells which was asked.
    const resolver = new Resolver({ environment: world.environment(), retries: 0, timeout: 50 });
    const asked = async (what: Parameters<Resolver['query']>[0]): Promise<string> =>
      (await world.clock.runToEnd(
        resolver.query(what).then(
          ok => ok.from,
          error => error.message,
        ),
      )) as string;
    expect(await asked('10.99.0.1')).toContain('10.99.0.1');
    expect(await asked('mcu.example.org')).toContain('10.99.0.1');
    expect(await asked({ protocol: 'h323' })).toBe(at);
    expect(queries.map(query => query.vip ?? query.name)).toEqual([
      '10.99.0.1',
      'mcu.example.org',
      undefined,
    ]);
    world.gateways = [];
    await expect(world.clock.runToEnd(resolver.query('nowhere.example.org'))).rejects.toMatchObject({
      code: 'ENOTFOUND',
    });
  });

  it('repeats with the cookie that a manager gives, and keeps it for the next query', async () => {
    const world = new World();
    const cookie = Uint8Array.from({ length: 16 }, (_, index) => index);
    const queries = await anycastManager(world.manager, query =>
      query.cookie === undefined ? [{ type: 'cookie', nonce: query.nonce, cookie }] : [answerTo(query, two)],
    );
    const resolver = new Resolver({ environment: world.environment(), via: at });
    await world.clock.runToEnd(resolver.query({ protocol: 'h323' }));
    await world.clock.runToEnd(resolver.query({ protocol: 'h323' }));
    expect(queries.map(query => query.cookie)).toEqual([undefined, cookie, cookie]);
    expect(queries[0]!.nonce).not.toEqual(queries[1]!.nonce);
  });

  it('is not led round in circles by cookies', async () => {
    const world = new World();
    const queries = await anycastManager(world.manager, query => [
      { type: 'cookie', nonce: query.nonce, cookie: new Uint8Array(8) },
    ]);
    const resolver = new Resolver({ environment: world.environment(), via: at, retries: 1, timeout: 100 });
    await expect(world.clock.runToEnd(resolver.query('x.example'))).rejects.toMatchObject({
      code: 'ETIMEOUT',
    });
    expect(queries.length).toBeLessThanOrEqual(4);
  });

  it('puts numbered parts together, in any order', async () => {
    const world = new World();
    const many = Array.from({ length: 60 }, (_, index) => server(`10.0.1.${index + 1}`, 1000 - index));
    await anycastManager(world.manager, query => splitAnswer(answerTo(query, many), 600).reverse());
    const resolver = new Resolver({ environment: world.environment(), via: at });
    const answer = await world.clock.runToEnd(resolver.query({}));
    expect(answer.servers).toEqual(many);
  });

  it('transmits again when a datagram is lost, and still takes a late answer', async () => {
    const world = new World();
    const queries = await anycastManager(world.manager, (query, index) =>
      index === 0 ? [] : [answerTo(query, two)],
    );
    const resolver = new Resolver({ environment: world.environment(), via: at, timeout: 100 });
    const took = world.clock.now();
    await world.clock.runToEnd(resolver.query({}));
    expect(queries.length).toBe(2);
    expect(world.clock.now() - took).toBeLessThan(102);
    expect(world.clock.now() - took).toBeGreaterThanOrEqual(100);
  });

  it('goes on to the next manager when one is silent', async () => {
    const world = new World();
    await anycastManager(world.manager, query => [answerTo(query, two)]);
    const resolver = new Resolver({ environment: world.environment(), timeout: 10, retries: 0 });
    const answer = await world.clock.runToEnd(resolver.query({}, { via: ['10.0.0.77', at] }));
    expect(answer.from).toBe(at);
  });

  it('says what a manager refused', async () => {
    const world = new World();
    await anycastManager(world.manager, ({ nonce }) => [
      { type: 'query-refused', nonce, code: 'limit', sentence: 'too many ports' },
    ]);
    const resolver = new Resolver({ environment: world.environment(), via: at });
    await expect(world.clock.runToEnd(resolver.query({}))).rejects.toMatchObject({
      code: 'EREFUSED',
      refusal: 'limit',
      message: expect.stringContaining('too many ports'),
    });
  });

  it('ends at once when its signal is aborted, or its resolver cancelled, and leaves nothing behind', async () => {
    const world = new World();
    const resolver = new Resolver({ environment: world.environment(), via: at });
    const controller = new AbortController();
    const one = resolver.query({}, { signal: controller.signal });
    const other = resolver.query({});
    const outcomes = Promise.allSettled([one, other]);
    await world.clock.advance(10);
    controller.abort();
    resolver.cancel();
    const [first, second] = await outcomes;
    expect(first).toMatchObject({ reason: { name: 'AbortError', code: 'ABORT_ERR' } });
    expect(second).toMatchObject({ reason: { code: 'ABORT_ERR' } });
    expect([world.clock.timers, world.client.datagrams.size]).toEqual([0, 0]);
    await expect(resolver.query({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    });
  });

  it('refuses arguments that make no sense, before anything is sent', async () => {
    const resolver = new Resolver({ environment: new World().environment(), via: at });
    for (const [what, options] of [
      [{ ports: 0 }, {}],
      [{ ports: '90-80' }, {}],
      [{ protocol: 'H 323' }, {}],
      [{ vip: '10.0.0.256' }, {}],
      ['-x-', {}],
      [{}, { want: 256 }],
      [{}, { signed: true }],
      [{}, { retries: -1 }],
      [{}, { publicKey: 'no key' }],
    ] as const)
      await expect(resolver.query(what, options), JSON.stringify([what, options])).rejects.toMatchObject({
        code: 'EINVAL',
      });
  });
});

describe('query, against a hostile network', () => {
  const ask = (world: World, options = {}) =>
    world.clock.runToEnd(
      new Resolver({ environment: world.environment(), via: at, timeout: 50, retries: 1 }).query({}, options),
    );

  it('passes over what does not bear its nonce', async () => {
    const world = new World();
    await anycastManager(world.manager, query => [
      answerTo({ nonce: new Uint8Array(8) }, [server('10.6.6.6', 1000)]),
      answerTo(query, two),
    ]);
    expect((await ask(world)).servers).toEqual(two);
  });

  it('passes over what comes from elsewhere, even with its nonce', async () => {
    const world = new World();
    const thief = world.network.host('thief', '10.6.6.6');
    const stolen = await thief.net.datagram(
      { address: address('0.0.0.0'), port: 9747 },
      () => {},
      () => {},
    );
    const nonces: Uint8Array[] = [];
    world.network.path(world.manager, world.client, { latency: 5 });
    const queries = await anycastManager(world.manager, query => {
      nonces.push(query.nonce);
      const port = [...world.client.datagrams][0]!.port;
      stolen.send(encodeAnycast(answerTo(query, [server('10.6.6.6', 1000)])), port, address('10.0.0.9'));
      return [answerTo(query, two)];
    });
    expect((await ask(world)).servers).toEqual(two);
    expect(queries.length).toBe(1);
  });

  it('passes over garbage, cut messages, and messages that are no answers', async () => {
    const world = new World();
    await anycastManager(world.manager, query => [
      new Uint8Array(0),
      new Uint8Array(1400).fill(255),
      encodeAnycast(answerTo(query, two)).subarray(0, 40),
      query,
      answerTo(query, two),
    ]);
    expect((await ask(world)).servers).toEqual(two);
  });

  it('survives whatever bytes come, true answers with bytes changed among them', () => {
    const random = seededRandom(11);
    const exchange = new Exchange(
      { selector: {}, want: 0, signed: false },
      { random, source: { address: address(at), port: 9747 } },
    );
    const kinds = new Set<string>();
    for (let round = 0; round < 2000; round++) {
      const sent = decodeAnycast(exchange.transmit(round));
      const bytes = encodeAnycast(answerTo(sent, two));
      for (let change = 0; change < round % 4; change++)
        bytes[Math.floor(random.uniform() * bytes.length)] = Math.floor(random.uniform() * 256);
      const cut = round % 5 === 0 ? bytes.subarray(0, Math.floor(random.uniform() * bytes.length)) : bytes;
      kinds.add(exchange.receive(cut, address(at), 9747, round).kind);
    }
    expect(kinds).toContain('complete');
    expect(kinds).toContain('ignored');
  });

  it('keeps no more of endless parts than it may', () => {
    const assembly = new Assembly();
    const part = answerTo({ nonce: new Uint8Array(8) }, two, { parts: 1000 });
    const outcomes = Array.from({ length: 100 }, (_, index) =>
      assembly.add({ ...part, part: index + 1 }, 65_000, 0),
    );
    expect(outcomes.indexOf('too-large')).toBe(Math.floor(MAX_BYTES / 65_000));
    expect(new Assembly().add({ ...part, parts: 1025 }, 100, 0)).toBe('too-many-parts');
  });

  it('waits for no part that never comes', async () => {
    const world = new World();
    const queries = await anycastManager(world.manager, query => [
      answerTo(query, two, { part: 1, parts: 1024 }),
      answerTo(query, two, { part: 1, parts: 1024 }),
    ]);
    await expect(ask(world)).rejects.toMatchObject({ code: 'ETIMEOUT' });
    expect([queries.length, world.clock.now()]).toEqual([2, 100]);
  });

  it('does not mix parts that contradict one another', async () => {
    const world = new World();
    await anycastManager(world.manager, query => [
      answerTo(query, [two[0]!], { part: 1, parts: 2 }),
      answerTo(query, [server('10.6.6.6', 1000)], { part: 2, parts: 3 }),
      answerTo(query, [server('10.6.6.6', 1000)], {
        part: 2,
        parts: 2,
        manager: 'cd'.repeat(32) as ManagerId,
      }),
      answerTo(query, [two[1]!], { part: 2, parts: 2 }),
    ]);
    expect((await ask(world)).servers).toEqual(two);
  });

  it('takes a signed answer of a trusted manager, and no other', async () => {
    const mine = keyed();
    const other = keyed();
    const world = new World();
    const queries = await anycastManager(world.manager, query => [
      answerTo(query, [server('10.6.6.1', 1000)], { manager: mine.id }),
      other.signed(answerTo(query, [server('10.6.6.2', 1000)], { manager: mine.id })),
      other.signed(answerTo(query, [server('10.6.6.3', 1000)], { manager: other.id })),
      mine.signed(answerTo(query, [server('10.6.6.4', 1000)], { manager: other.id })),
      mine.signed(answerTo(query, two, { manager: mine.id })),
    ]);
    const answer = await ask(world, { publicKey: mine.publicKey });
    expect(answer.servers).toEqual(two);
    expect(answer.signed).toBe(true);
    expect(queries[0]!.signed).toBe(true);
  });

  it('says that the signature was wrong when nothing better comes', async () => {
    const mine = keyed();
    const world = new World();
    await anycastManager(world.manager, query => {
      const bytes = mine.signed(answerTo(query, two, { manager: mine.id }));
      bytes[bytes.length - 1]! ^= 1;
      return [bytes];
    });
    const pem = mine.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    await expect(ask(world, { publicKey: pem })).rejects.toMatchObject({ code: 'EBADSIG' });
  });
});
