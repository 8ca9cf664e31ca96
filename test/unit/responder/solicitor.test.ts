import { beforeEach, expect, test } from 'vitest';
import type { Link } from '../../../appliance/host/ports.ts';
import { INVITE_JITTER, Solicitor, type SolicitorOptions } from '../../../appliance/responder/solicitor.ts';
import { address } from '../../../sdk/wire/address.ts';
import { encodeAnycast } from '../../../sdk/wire/anycast.ts';
import { seededRandom, VirtualClock } from '../../support/virtual.ts';
import { expectType, link, MANAGER, NONCE, newCounters } from './support.ts';

const AGENT = address('10.1.0.50');
const VIP = address('10.9.0.1');
const solicit = (versions: readonly [number, number] = [1, 1]): Uint8Array =>
  encodeAnycast({ type: 'solicit', nonce: NONCE, versions });

let clock: VirtualClock;
let counters: ReturnType<typeof newCounters>;
let links: Link[];
let sent: Uint8Array[];
beforeEach(() => {
  clock = new VirtualClock();
  counters = newCounters();
  sent = [];
  links = [
    link({ name: 'lan1', addresses: [{ address: address('10.2.0.1'), length: 24 }] }),
    link({
      addresses: [
        { address: VIP, length: 8 },
        { address: address('10.1.0.1'), length: 24 },
        { address: address('fe80::1'), length: 64 },
        { address: address('fd00:1::1'), length: 64 },
      ],
    }),
  ];
});

const solicitor = (fields: Partial<SolicitorOptions> = {}): Solicitor =>
  new Solicitor({
    clock,
    random: seededRandom(1),
    counters,
    manager: MANAGER,
    name: 'cell-1',
    registration: { address: undefined, port: 9746, tls: true },
    links: () => links,
    isVip: candidate => candidate === VIP,
    onFull: () => {},
    ...fields,
  });
const hear = (bytes: Uint8Array, from = AGENT, zone?: string, by = solicitor()): void =>
  by.receive(bytes, from, zone, back => void sent.push(back));

test("the invitation names the manager's address on the agent's link, not a VIP, and comes within the jitter", () => {
  hear(solicit());
  expect(sent).toEqual([]);
  clock.advanceSync(INVITE_JITTER);
  expect(expectType(sent[0], 'invite')).toEqual({
    type: 'invite',
    nonce: NONCE,
    manager: MANAGER,
    name: 'cell-1',
    address: '10.1.0.1',
    port: 9746,
    tls: true,
  });
});

test('a link-local source is invited to the address on its own interface', () => {
  hear(solicit(), address('fe80::50'), 'lan0');
  clock.advanceSync(INVITE_JITTER);
  expect(expectType(sent[0], 'invite').address).toBe('fd00:1::1');
  hear(solicit(), address('fe80::51'), 'lan1');
  expect(counters.solicit.foreign).toBe(1);
});

test('a configured address is given instead', () => {
  const by = solicitor({ registration: { address: address('192.0.2.1'), port: 1, tls: false } });
  hear(solicit(), AGENT, undefined, by);
  clock.advanceSync(INVITE_JITTER);
  expect(expectType(sent[0], 'invite').address).toBe('192.0.2.1');
});

test('not invited: from another network, of another version, too short, no solicitation, noise', () => {
  hear(solicit(), address('192.0.2.9'));
  hear(solicit([2, 3]), address('10.1.0.51'));
  hear(encodeAnycast({ type: 'solicit', nonce: NONCE, versions: [1, 1], padding: 0 }), address('10.1.0.52'));
  hear(encodeAnycast({ type: 'cookie', nonce: NONCE, cookie: NONCE }), address('10.1.0.53'));
  hear(new Uint8Array(200), address('10.1.0.54'));
  clock.advanceSync(1000);
  expect(sent).toEqual([]);
  expect(counters.solicit).toEqual({ invited: 0, foreign: 1, version: 1, 'rate-limited': 0, malformed: 3 });
});

test('one source has a rate, and not too many wait at once; closing forgets them', () => {
  const by = solicitor();
  for (let turn = 0; turn < 10; turn++) hear(solicit(), AGENT, undefined, by);
  expect(counters.solicit['rate-limited']).toBe(6);
  for (let index = 0; index < 1000; index++)
    hear(solicit(), address(`10.1.0.${(index % 200) + 1}`), undefined, by);
  expect(clock.timers).toBe(256);
  by.close();
  expect(clock.timers).toBe(0);
  expect(sent).toEqual([]);
});
