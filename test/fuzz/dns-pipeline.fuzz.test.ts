/**
 * The whole way of a query: a worker with its queue of those that wait, the main thread that finishes answers, changes of the view in
 * between, and TCP with clients that do as they like. Nothing throws, everybody gets at most one answer, and nothing grows without bound.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LATER } from '../../appliance/dns/answerer.ts';
import { Authority } from '../../appliance/dns/authority.ts';
import { Clerk, type FromClerk, MOST_WAITING, type ToClerk } from '../../appliance/dns/clerk.ts';
import { startDns } from '../../appliance/dns/server.ts';
import { STREAM_LIMITS } from '../../appliance/dns/streams.ts';
import { hmac } from '../../appliance/host/keys.ts';
import { address, parsePrefix } from '../../sdk/wire/address.ts';
import { decodeDns, dnsQuery } from '../support/dns.ts';
import { anyQuery } from '../support/dns-queries.ts';
import { virtualWorld } from '../support/virtual.ts';
import { OPTIONS, sourceBytes, view } from '../unit/dns/support.ts';

const TOPOLOGY = { '10.1.0.0/16': 'east', 'fd01::/32': 'east', '10.2.0.0/16': 'west' };
const VIEWS = [
  {
    'www.cell': ['A 10.0.0.1', 'AAAA fd00::1', 'east: A 10.1.1.1'],
    'alias.cell': ['CNAME www.cell'],
    'many.cell': Array.from({ length: 100 }, (_, index) => `A 10.0.1.${index}`),
    '_sip._udp.cell': ['SRV 0 10 5060 www.cell'],
  },
  { 'www.cell': ['A 10.0.0.2'], 'b.deep.cell': ['TXT some words'] },
  {},
].map(lines => () => view(lines, { topology: TOPOLOGY }));
const SOURCES = ['10.1.0.9', '10.2.0.1', '192.0.2.1', 'fd01::1', 'fe80::1'].map(sourceBytes);

/** A worker and the main thread; messages go when they are told to. */
function startPipeline() {
  const { clock, random, log } = virtualWorld();
  const authority = new Authority({ log, seconds: () => 1_700_000_000 });
  const toMain: FromClerk[] = [];
  const toWorker: ToClerk[] = [];
  const clerk = new Clerk(
    { clock, random, hmac, seconds: () => 1_700_000_000, post: message => void toMain.push(message) },
    OPTIONS,
  );
  authority.subscribe(update => toWorker.push({ kind: 'update', update }));
  const output = new Uint8Array(2048);
  let waiting = 0;
  const check = (bytes: Uint8Array, answer: Uint8Array): void => {
    const { id, flags } = decodeDns(answer);
    expect([flags.qr, id]).toEqual([true, (bytes[0]! << 8) | bytes[1]!]);
    expect(answer.length).toBeLessThan(2 * bytes.length);
  };
  return {
    clerk,
    authority,
    log,
    waiting: () => waiting,
    ask(bytes: Uint8Array, from: number): void {
      const source = SOURCES[from % SOURCES.length]!;
      clerk.begin();
      const length = clerk.answer(bytes, 0, bytes.length, source, 0, output, 0);
      if (length > 0) check(bytes, output.slice(0, length));
      if (length !== LATER) return;
      waiting++;
      let replied = false;
      clerk.keep({
        bytes,
        source,
        reply(answer) {
          expect(replied).toBe(false);
          replied = true;
          waiting--;
          check(bytes, answer.slice());
        },
      });
    },
    /** The main thread does its part. */
    serve(): void {
      for (const message of toMain.splice(0)) {
        if (message.kind !== 'ask') continue;
        const { name, type, place } = message;
        toWorker.push({ kind: 'finished', name, type, place, answer: authority.finish(name, type, place) });
      }
    },
    /** The worker fetches what was posted. */
    fetch(): void {
      for (const message of toWorker.splice(0)) clerk.hear(structuredClone(message));
    },
  };
}

type Step =
  | { readonly do: 'ask'; readonly bytes: Uint8Array; readonly from: number }
  | { readonly do: 'publish'; readonly which: number }
  | { readonly do: 'serve' | 'fetch' };
/** Names that are there, in some of the views. */
const known = fc
  .constantFrom(
    ...([
      ['www.cell', 1],
      ['www.cell', 28],
      ['alias.cell', 1],
      ['many.cell', 1],
    ] as const),
  )
  .map(([name, type]) => dnsQuery(name, type, { edns: {} }));
/** Types of an alias that nobody has. */
const odd = fc.nat(0xffff).map(type => dnsQuery('alias.cell', type));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      bytes: fc.oneof(anyQuery, known, known, odd),
      from: fc.nat(9),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('publish' as const), which: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('serve' as const, 'fetch' as const) }) },
);

test('a worker and the main thread, in any order of what comes', () => {
  let waited = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 120, size: 'max' }), steps => {
      const line = startPipeline();
      line.authority.publish(VIEWS[0]!());
      line.fetch();
      for (const one of steps) {
        if (one.do === 'ask') line.ask(one.bytes, one.from);
        else if (one.do === 'publish') line.authority.publish(VIEWS[one.which]!());
        else line[one.do]();
        waited += line.waiting() > 0 ? 1 : 0;
      }
      // What was asked for comes, whatever has changed meanwhile; then nobody waits.
      for (let round = 0; round < 4; round++) {
        line.serve();
        line.fetch();
      }
      expect(line.waiting()).toBe(0);
      expect(line.clerk.desk.answerer.counters.waited).toBeLessThanOrEqual(steps.length);
    }),
    { numRuns: 250 },
  );
  expect(waited).toBeGreaterThan(100);
});

test('a main thread that does not come leaves only so many waiting', () => {
  const line = startPipeline();
  line.authority.publish(
    view(Object.fromEntries(Array.from({ length: 4000 }, (_, index) => [`h${index}.cell`, ['A 10.0.0.1']]))),
  );
  line.fetch();
  for (let round = 0; round < 3; round++)
    for (let index = 0; index < 4000; index++) line.ask(dnsQuery(`h${index}.cell`, 1), index);
  line.serve();
  line.fetch();
  // The others were left to ask again, and were.
  expect(12_000 - line.waiting()).toBe(MOST_WAITING);
  line.ask(dnsQuery('h3999.cell', 1), 0);
  line.serve();
  line.fetch();
  expect(12_001 - line.waiting()).toBe(MOST_WAITING + 1);
});

describe('memory', () => {
  /** Bytes of the heap in use, after all garbage has gone. */
  const heap = (): number => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    return process.memoryUsage().heapUsed;
  };

  test('of a worker does not grow with what strangers ask', () => {
    const line = startPipeline();
    line.authority.publish(VIEWS[0]!());
    line.fetch();
    const samples = fc.sample(anyQuery, { numRuns: 3000, seed: 7 });
    let number = 0;
    const round = (): void => {
      for (const sample of samples) {
        line.ask(sample, number);
        // Names, types, subnets and cookies that were never asked for before.
        const unique = dnsQuery(`x${number}.${number % 97}.cell`, number % 300, {
          edns: { options: [[10, Uint8Array.from({ length: 8 }, (_, at) => (number >> at) & 255)]] },
        });
        line.ask(unique, number);
        line.ask(dnsQuery('alias.cell', number & 0xffff), number++);
        if (number % 50 === 0) {
          line.serve();
          line.fetch();
        }
        if (number % 1000 === 0) line.authority.publish(VIEWS[(number / 1000) % 2]!());
      }
    };
    round();
    round();
    const before = heap();
    for (let times = 0; times < 8; times++) round();
    // 72,000 queries: a leak of 21 bytes each would show.
    expect(heap() - before).toBeLessThan(1_500_000);
    expect(line.clerk.desk.book.answers).toBeLessThan(200);
  });

  test('of TCP does not grow with connections that come and go', async () => {
    const world = virtualWorld({ quality: { jitter: 0 } });
    const { clock, random } = world;
    const server = await startDns(
      {
        clock,
        random,
        hmac,
        log: () => {},
        net: world.network.host('server', '10.0.0.1').net,
        seconds: () => 0,
      },
      {
        ...OPTIONS,
        ...{ addresses: [address('10.0.0.1')], port: 53, workers: 0, notify: [], zones: [] },
        transfers: [parsePrefix('10.0.0.0/8')!],
      },
    );
    server.publish(VIEWS[0]!());
    const host = world.network.host('client', '10.0.0.7');
    const samples = fc.sample(fc.array(anyQuery, { maxLength: 6 }), { numRuns: 120, seed: 9 });
    const round = async (): Promise<void> => {
      for (const [index, messages] of samples.entries()) {
        let closed = false;
        const stream = host.net.connect(
          { address: address('10.0.0.1'), port: 53 },
          {
            onData: () => {},
            onClose: () => {
              closed = true;
            },
          },
        );
        await clock.advance(2);
        const bytes = messages.flatMap(message => [message.length >> 8, message.length & 255, ...message]);
        if (!closed) stream.write(Uint8Array.from(bytes).subarray(0, bytes.length - (index % 3)));
        await clock.advance(2);
        // Some stay, and are thrown out when they have been silent for long.
        if (index % 2 === 0) stream.destroy();
      }
      await clock.advance(STREAM_LIMITS.idle + 1000);
    };
    await round();
    await round();
    const before = heap();
    for (let times = 0; times < 10; times++) await round();
    expect(server.connections).toBe(0);
    expect(heap() - before).toBeLessThan(2_000_000);
    await server.close();
  });
});
