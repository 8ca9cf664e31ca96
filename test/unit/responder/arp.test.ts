import { beforeEach, describe, expect, test } from 'vitest';
import { ANNOUNCE_INTERVAL, ANNOUNCE_NUM, Announcer } from '../../../appliance/responder/arp-announcer.ts';
import {
  type ArpConflict,
  CONFLICT_QUIET,
  DEFEND_INTERVAL,
} from '../../../appliance/responder/arp-defender.ts';
import { ArpKeeper } from '../../../appliance/responder/arp-keeper.ts';
import { SourceLimits } from '../../../appliance/responder/source-limits.ts';
import { type Address, address, type Mac } from '../../../sdk/wire/address.ts';
import { type ArpFrame, BROADCAST, decodeArp, encodeArp, NO_ADDRESS, NO_MAC } from '../../../sdk/wire/arp.ts';
import { VirtualClock } from '../../support/virtual.ts';
import { CLIENT, newCounters, OWN, station } from './support.ts';

const VIP = address('10.9.0.1');
const SECOND = address('10.9.0.2');
const ASKER = address('10.1.0.99');

describe('announcer', () => {
  let clock: VirtualClock;
  let sent: [number, Address][];
  let announcer: Announcer;
  beforeEach(() => {
    clock = new VirtualClock();
    sent = [];
    announcer = new Announcer(clock, vip => sent.push([clock.now(), vip]));
  });

  test('at once, and then repeated an interval apart, and no more', () => {
    announcer.start([VIP]);
    clock.advanceSync(60_000);
    expect(sent).toEqual(
      Array.from({ length: ANNOUNCE_NUM }, (_, index) => [index * ANNOUNCE_INTERVAL, VIP]),
    );
    expect(clock.timers).toBe(0);
  });

  test('a VIP that was given up is announced no more', () => {
    announcer.start([VIP, SECOND]);
    announcer.stop(VIP);
    clock.advanceSync(60_000);
    expect(sent.filter(([, vip]) => vip === VIP)).toHaveLength(1);
    expect(sent.filter(([, vip]) => vip === SECOND)).toHaveLength(ANNOUNCE_NUM);
  });

  test('those that come while many are announced wait behind them', () => {
    const vips = (third: number): Address[] =>
      Array.from({ length: 60 }, (_, host) => address(`10.9.${third}.${host}`));
    announcer.start(vips(1));
    clock.advanceSync(50);
    expect(sent).toHaveLength(50);
    for (const third of [2, 3]) announcer.start(vips(third));
    expect(sent).toHaveLength(50);
    clock.advanceSync(ANNOUNCE_INTERVAL / 2);
    expect(sent.map(([, vip]) => vip)).toEqual([...vips(1), ...vips(2), ...vips(3)]);
  });

  test('beginning again begins again: not twice as many', () => {
    announcer.start([VIP]);
    clock.advanceSync(ANNOUNCE_INTERVAL / 2);
    announcer.start([VIP]);
    clock.advanceSync(60_000);
    const half = ANNOUNCE_INTERVAL / 2;
    expect(sent.map(([at]) => at)).toEqual([0, half, half + ANNOUNCE_INTERVAL, half + 2 * ANNOUNCE_INTERVAL]);
  });

  test('a crowd waits a moment, since its routes are on their way; fifty do not', () => {
    const many = Array.from({ length: 110 }, (_, host) => address(`10.9.1.${host}`));
    announcer.start(many.slice(0, 50));
    expect(sent).toHaveLength(50);
    announcer.start(many.slice(50));
    expect(sent).toHaveLength(50);
    clock.advanceSync(49);
    expect(sent).toHaveLength(50);
    clock.advanceSync(50);
    expect(sent).toHaveLength(110);
  });

  test('a thousand are spread out, each is announced as often, and close ends it', () => {
    const many = Array.from({ length: 1000 }, (_, index) => address(`10.8.${index >> 8}.${index & 255}`));
    announcer.start(many);
    expect(sent.length).toBeLessThanOrEqual(50);
    clock.advanceSync(1000);
    expect(sent).toHaveLength(1000);
    clock.advanceSync(60_000);
    expect(sent).toHaveLength(1000 * ANNOUNCE_NUM);
    announcer.start(many);
    announcer.close();
    expect(clock.timers).toBe(0);
  });
});

describe('keeper', () => {
  let clock: VirtualClock;
  let sent: ArpFrame[];
  let alarms: ArpConflict[];
  let counters: ReturnType<typeof newCounters>;
  let kernelHas: Set<Address>;
  let keeper: ArpKeeper;

  const frame = (operation: 'request' | 'reply', fields: Partial<ArpFrame> = {}): Uint8Array =>
    encodeArp({
      destination: BROADCAST,
      source: CLIENT,
      operation,
      senderMac: CLIENT,
      senderAddress: ASKER,
      targetMac: NO_MAC,
      targetAddress: VIP,
      ...fields,
    });
  const claim = (mac: Mac = CLIENT): void =>
    keeper.receive(frame('request', { source: mac, senderMac: mac, senderAddress: VIP }), 'request');

  beforeEach(() => {
    clock = new VirtualClock();
    sent = [];
    alarms = [];
    counters = newCounters();
    kernelHas = new Set();
    keeper = new ArpKeeper(
      {
        clock,
        limits: new SourceLimits(clock, 5, () => {}),
        counters,
        send: bytes => sent.push(decodeArp(bytes)!),
        kernelAnswers: vip => kernelHas.has(vip),
        isOwn: mac => mac === OWN,
        onConflict: alarm => alarms.push(alarm),
      },
      station(),
      [],
    );
    keeper.change([VIP, address('2001:db8::1')], []);
    clock.advanceSync(10_000);
    sent.length = 0;
  });

  test('an announcement is a request with the VIP in both places (RFC 5227 §2.3), to all', () => {
    keeper.change([SECOND], []);
    expect(sent).toEqual([
      {
        destination: BROADCAST,
        source: OWN,
        operation: 'request',
        senderMac: OWN,
        senderAddress: SECOND,
        targetMac: NO_MAC,
        targetAddress: SECOND,
      },
    ]);
  });

  test('a request for a VIP that is only a route is answered, to the asker alone', () => {
    keeper.receive(frame('request'), 'request');
    expect(sent).toEqual([
      {
        destination: CLIENT,
        source: OWN,
        operation: 'reply',
        senderMac: OWN,
        senderAddress: VIP,
        targetMac: CLIENT,
        targetAddress: ASKER,
      },
    ]);
  });

  test('a probe is answered too (RFC 5227 §2.1.1), and is no conflict', () => {
    keeper.receive(frame('request', { senderAddress: NO_ADDRESS }), 'request');
    expect(sent).toHaveLength(1);
    expect(alarms).toEqual([]);
  });

  test('not answered: what the kernel has, what is not ours or no longer, replies, a sender that is a group', () => {
    kernelHas.add(VIP);
    keeper.receive(frame('request'), 'request');
    kernelHas.clear();
    keeper.receive(frame('request', { targetAddress: SECOND }), 'request');
    keeper.receive(frame('reply'), 'reply');
    keeper.receive(frame('request', { senderMac: BROADCAST }), 'request');
    keeper.change([], [VIP]);
    keeper.receive(frame('request'), 'request');
    expect(sent).toEqual([]);
  });

  test('one station gets no more answers than its rate', () => {
    for (let turn = 0; turn < 100; turn++) keeper.receive(frame('request'), 'request');
    expect(counters.arp).toMatchObject({ replies: 10, 'rate-limited': 90 });
  });

  test('another station claims a VIP: one alarm, one defence for each interval', () => {
    for (let turn = 0; turn < 25; turn++) {
      claim();
      clock.advanceSync(1000);
      keeper.look();
    }
    expect(alarms).toEqual([{ state: 'began', vip: VIP, mac: CLIENT, link: 'lan0' }]);
    expect(counters.arp).toMatchObject({ conflicts: 25, defences: 3 });
    expect(sent.map(one => [one.operation, one.senderAddress])).toEqual(Array(3).fill(['request', VIP]));
    expect(keeper.conflicts()).toEqual([{ vip: VIP, mac: CLIENT, link: 'lan0' }]);
  });

  test('a reply from another station is a claim as well, and another opponent another alarm', () => {
    keeper.receive(frame('reply', { senderAddress: VIP, targetAddress: ASKER }), 'reply');
    claim('02:00:00:00:00:98' as Mac);
    expect(alarms.map(alarm => alarm.mac)).toEqual([CLIENT, '02:00:00:00:00:98']);
    expect(counters.arp.defences).toBe(1);
  });

  test('when it is over that is said, and the VIP announced again', () => {
    claim();
    clock.advanceSync(CONFLICT_QUIET);
    sent.length = 0;
    keeper.look();
    expect(alarms.at(-1)).toEqual({ state: 'over', vip: VIP, mac: CLIENT, link: 'lan0' });
    clock.advanceSync(DEFEND_INTERVAL);
    expect(sent).toHaveLength(ANNOUNCE_NUM);
    expect(keeper.conflicts()).toEqual([]);
  });

  test('our own frames, and VIPs that were given up, are no conflict', () => {
    claim(OWN);
    keeper.change([], [VIP]);
    claim();
    expect(alarms).toEqual([]);
    expect(counters.arp.conflicts).toBe(0);
  });
});
