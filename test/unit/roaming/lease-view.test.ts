import { expect, test } from 'vitest';
import { type DhcpMessage, type DhcpType, decodeDhcp } from '../../../appliance/roaming/dhcp-message.ts';
import { identifiersOf, LeaseView, MOST_ASKING, MOST_HOSTS } from '../../../appliance/roaming/lease-view.ts';
import { dhcpBytes, type Written } from '../../support/dhcp.ts';

const message = (type: DhcpType, fields?: Written): DhcpMessage =>
  decodeDhcp(dhcpBytes(type, fields)) as DhcpMessage;
const A = '10.1.0.50';
const B = '10.1.0.51';
const CLIENT = [255, 0, 0, 0, 1, 0, 4, 9, 9];

function play(view: LeaseView, ...steps: [DhcpType, Written?][]) {
  return steps.map(([type, fields]) => view.observe(message(type, fields), 'lan0', 0));
}

/** Who has this address by a lease that still runs. */
const holder = (view: LeaseView, at: string, now: number) =>
  view.list(now).find(host => host.state === 'bound' && host.address === at);

test('from DISCOVER to ACK', () => {
  const view = new LeaseView();
  const [discovered, offered, asked, granted] = play(
    view,
    ['discover', { client: CLIENT, name: 'web1' }],
    ['offer', { given: A }],
    ['request', { client: CLIENT, requested: A, server: '10.1.0.1' }],
    ['ack', { given: A, lease: 60, server: '10.1.0.1' }],
  );
  expect([discovered, offered]).toEqual([undefined, undefined]);
  expect(asked).toMatchObject({ kind: 'expected', address: A });
  expect(granted).toMatchObject({ kind: 'bound', address: A });
  expect(granted).not.toHaveProperty('before');
  expect(view.list(0)).toMatchObject([
    { state: 'bound', address: A, name: 'web1', server: '10.1.0.1', link: 'lan0', expires: 60_000 },
  ]);
  expect(holder(view, A, 59_999)?.name).toBe('web1');
  expect(holder(view, A, 60_000)).toBeUndefined();
});

test('an ACK without identifier is its who asked with one; another identifier of the same card is another host', () => {
  const view = new LeaseView();
  play(view, ['request', { client: CLIENT, requested: A }], ['ack', { given: A }]);
  play(view, ['request', { client: [0, 7], requested: B }]);
  expect(view.list(0).map(host => [host.key, host.state])).toEqual([
    ['0007', 'asking'],
    ['ff0000000100040909', 'bound'],
  ]);
});

test('a lease that changes says what it was', () => {
  const view = new LeaseView();
  const steps = play(
    view,
    ['ack', { given: A }],
    ['request', { requested: B }],
    ['ack', { given: B }],
    ['ack', { given: B }],
  );
  expect(steps.map(step => step && 'before' in step && step.before)).toEqual([false, A, A, false]);
  expect(holder(view, A, 0)).toBeUndefined();
});

test.each([
  ['release', 'released', { current: A }],
  ['decline', 'declined', { requested: A }],
  ['nak', 'refused', {}],
] as const)('%s', (type, why, fields) => {
  const view = new LeaseView();
  const [, left] = play(view, ['ack', { given: A, lease: 600 }], [type, fields]);
  expect(left).toMatchObject({ kind: 'left', address: A, why });
  expect(holder(view, A, 0)).toBeUndefined();
  expect(view.list(0)).toMatchObject([{ state: why }]);
});

test('what a client cannot say is not heard from it, nor from a server what a server cannot', () => {
  const view = new LeaseView();
  for (const type of ['ack', 'nak', 'release', 'decline', 'request', 'discover'] as const) {
    const bytes = dhcpBytes(type, { given: A, requested: A });
    bytes[0] = bytes[0] === 1 ? 2 : 1;
    expect(view.observe(decodeDhcp(bytes) as DhcpMessage, 'lan0', 0)).toBeUndefined();
  }
  expect(view.list(0)).toEqual([]);
});

test('an answer to INFORM grants nothing', () => {
  expect(play(new LeaseView(), ['ack', { current: A }])).toEqual([undefined]);
});

test('it is bounded, and those who only ask displace nobody who has a lease', () => {
  const view = new LeaseView();
  const mac = (index: number): string =>
    `02:00:00:01:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`;
  for (let index = 0; index < MOST_HOSTS + 10; index++)
    play(view, ['ack', { mac: mac(index), given: `10.2.${index >> 8}.${index & 255}` }]);
  for (let index = 0; index < 2 * MOST_ASKING; index++)
    play(view, ['discover', { mac: mac(20_000 + index) }]);
  const states = view.list(0).map(host => host.state);
  expect([
    states.filter(state => state === 'bound').length,
    states.filter(state => state === 'asking').length,
  ]).toEqual([MOST_HOSTS, MOST_ASKING]);
  expect(holder(view, '10.2.0.9', 0)).toBeUndefined();
  expect(holder(view, '10.2.0.10', 0)).toBeDefined();
  expect(view.list(86_400_000)).toEqual([]);
});

test('an identifier too long for a notice is not told', () => {
  const hardware = Uint8Array.of(1, 2, 3, 4, 5, 6, 7);
  expect(identifiersOf({ hardware, client: new Uint8Array(32) })).toHaveLength(2);
  expect(identifiersOf({ hardware, client: new Uint8Array(33) })).toEqual([hardware]);
});
