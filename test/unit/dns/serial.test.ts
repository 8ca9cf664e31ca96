/** Serial numbers never go backwards for a secondary: over their end, over restarts, with a wrong clock, and with nothing stored. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { soaQuery, soaSerial } from '../../../appliance/dns/recall.ts';
import { AHEAD, isLater, type SerialStore, Serials, serialAfter } from '../../../appliance/dns/serial.ts';
import { startDns } from '../../../appliance/dns/server.ts';
import { hmac } from '../../../appliance/host/keys.ts';
import { address } from '../../../sdk/wire/address.ts';
import { decodeDns, dnsQuery } from '../../support/dns.ts';
import { virtualWorld } from '../../support/virtual.ts';
import { OPTIONS, startDesk, view } from './support.ts';

/** A store in memory, and how often it was written. */
function memory(): SerialStore & { kept: number | undefined; writes: number } {
  return {
    kept: undefined,
    writes: 0,
    read() {
      return this.kept;
    },
    write(serial) {
      this.kept = serial;
      this.writes++;
    },
  };
}

describe('the next number', () => {
  test('is later, over the end of 32 bits and with a clock that is behind', () => {
    expect(serialAfter(5, 3)).toBe(6);
    expect(serialAfter(5, 1_700_000_000)).toBe(1_700_000_000);
    expect(serialAfter(0xffffffff, 0xfffffff0)).toBe(1);
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), (previous, seconds) => {
        const next = serialAfter(previous, seconds);
        expect(next).not.toBe(0);
        expect(isLater(next, previous)).toBe(true);
      }),
    );
  });

  test('is the clock where nothing is known, after 2038 too', () => {
    expect([serialAfter(undefined, 0), serialAfter(undefined, 3_000_000_000)]).toEqual([1, 3_000_000_000]);
  });
});

test('whatever the clock does, and however often it is started again, nothing goes backwards', () => {
  const step = fc.record({
    seconds: fc.oneof(fc.nat(0xffffffff), fc.integer({ min: -5, max: 2000 })),
    restart: fc.boolean(),
    changes: fc.nat(1500),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), steps => {
      const store = memory();
      let now = 1_700_000_000;
      let serials = new Serials(() => now, store);
      for (const { seconds, restart, changes } of steps) {
        now = (seconds > 2000 ? seconds : now + seconds) >>> 0;
        let last = serials.current;
        if (restart) serials = new Serials(() => now, store);
        for (let change = 0; change < changes; change++) {
          if (!restart || change > 0) serials.next();
          // It could end at any time: what is stored must not be behind.
          const good = isLater(serials.current, last) && !isLater(serials.current, store.kept!);
          if (!good) throw new Error(`${serials.current} after ${last}, stored ${store.kept}`);
          last = serials.current;
        }
      }
      expect(store.writes).toBeGreaterThan(0);
    }),
    { numRuns: 60 },
  );
});

test('the store is written once in ten minutes, or once in as many changes', () => {
  const store = memory();
  let now = 1_700_000_000;
  const serials = new Serials(() => now, store);
  for (let change = 0; change < AHEAD; change++) serials.next();
  expect(store.writes).toBe(1);
  serials.next();
  expect(store.writes).toBe(2);
  for (; now < 1_700_000_000 + 3600; now++) serials.next();
  expect(store.writes).toBeLessThan(10);
});

describe('what a secondary says of its SOA', () => {
  const { raw, publish, authority } = startDesk();
  publish(view({ 'www.cell': ['A 10.0.0.1'] }));
  const query = soaQuery('cell', 0x4242);
  const answer = (): Uint8Array => raw(query, undefined, true)!;

  test('is read', () => {
    expect(decodeDns(answer()).answer).toHaveLength(1);
    expect(soaSerial(query, answer())).toBe(authority.serial);
  });

  test.each([
    ['the query itself', () => query],
    ['an answer to another', () => Uint8Array.from([0x42, 0x43, ...answer().subarray(2)])],
    [
      'an answer for another zone',
      () => raw(dnsQuery('www.cell', 6, { id: 0x4242, flags: 0 }), undefined, true)!,
    ],
    ['an error', () => raw(dnsQuery('cell', 6, { id: 0x4242, flags: 0, qclass: 3 }), undefined, true)!],
    ['one that is cut', () => raw(query)!],
  ])('%s tells nothing', (_what, bytes) => {
    expect(soaSerial(query, bytes())).toBeUndefined();
  });

  test('anything may come', () => {
    const whole = answer();
    fc.assert(
      fc.property(
        fc.nat(whole.length),
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }),
        (cut, changes) => {
          const bytes = whole.slice(0, cut);
          for (const [at, value] of changes) if (at < cut) bytes[at] = value;
          const serial = soaSerial(query, bytes);
          expect(serial === undefined || (serial >= 0 && serial <= 0xffffffff)).toBe(true);
        },
      ),
      { numRuns: 5000 },
    );
  });
});

describe('a server that has lost its store, with a clock that is behind', () => {
  const SERVER = address('10.0.0.1');
  const secondaries = ['10.0.0.7', '10.0.0.8'].map(text => ({ address: address(text), port: 53 }));

  /** Secondaries with these serials ask and answer; `deaf` times they hear nothing. */
  async function start(serials: readonly (number | undefined)[], store?: SerialStore, deaf = 0) {
    const world = virtualWorld({ quality: { jitter: 0 } });
    const { clock, random, log, network } = world;
    const notified: number[] = [];
    let asked = 0;
    for (const [index, { address: own }] of secondaries.entries()) {
      const socket = await network.host(`secondary ${index}`, own).net.datagram(
        { address: own, port: 53 },
        (bytes, from, port) => {
          if ((bytes[2]! & 0x78) !== 0) {
            notified.push(Number(decodeDns(bytes).answer[0]!.data.split(' ')[2]));
            const heard = bytes.slice();
            heard[2]! |= 0x80;
            socket.send(heard, port, from);
            return;
          }
          const serial = serials[index];
          if (asked++ < deaf || serial === undefined) return;
          // A zone that a secondary has, written as others write: no names compressed.
          const soa = [1, 97, 0, 1, 98, 0, ...u32(serial), ...[1, 2, 3, 4].flatMap(u32)];
          const answer = [...bytes, ...bytes.subarray(12, -4), 0, 6, 0, 1, 0, 0, 0, 9, 0, soa.length, ...soa];
          answer[2] = 0x84;
          answer[7] = 1;
          socket.send(Uint8Array.from(answer), port, from);
        },
        () => {},
      );
    }
    const server = await startDns(
      {
        ...{ clock, random, hmac, log, net: network.host('server', SERVER).net },
        ...(store && { serials: store }),
        seconds: () => 1000,
      },
      {
        ...OPTIONS,
        ...{ addresses: [SERVER], port: 53, workers: 0, notify: secondaries, zones: ['cell'], transfers: [] },
      },
    );
    server.publish(view({ 'www.cell': ['A 10.0.0.1'] }));
    return { world, server, notified, asked: () => asked };
  }

  test('goes on from the latest that a secondary has, and tells all of it', async () => {
    const { world, server, notified } = await start([1_700_000_000, 1_700_000_005]);
    await world.clock.advance(2000);
    expect(server.serial).toBe(1_700_000_006);
    expect(notified.at(-1)).toBe(1_700_000_006);
    server.publish(view({ 'www.cell': ['A 10.0.0.2'] }));
    expect(server.serial).toBe(1_700_000_007);
    expect(world.log.of('dns-serial-recalled').length).toBeGreaterThan(0);
    await server.close();
  });

  test('asks again, and not for ever', async () => {
    const { world, server, asked } = await start([1_700_000_000, undefined], undefined, 4);
    await world.clock.advance(3000);
    expect(server.serial).toBe(1_700_000_001);
    await world.clock.advance(60_000);
    // One answered to the third attempt; five were for the other one.
    expect(asked()).toBe(3 + 5);
    await server.close();
  });

  test('one that has its store asks nobody, and those that are behind change nothing', async () => {
    const store = memory();
    store.kept = 5000;
    const stored = await start([1_700_000_000, 1], store);
    await stored.world.clock.advance(10_000);
    expect([stored.asked(), stored.server.serial]).toEqual([0, 5002]);
    await stored.server.close();
    const behind = await start([7, 999]);
    await behind.world.clock.advance(10_000);
    expect(behind.server.serial).toBe(1001);
    await behind.server.close();
  });
});

const u32 = (value: number): readonly number[] => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
