import { describe, expect, test } from 'vitest';
import { answer } from '../../../appliance/responder/decide.ts';
import { address } from '../../../sdk/wire/address.ts';
import { directory, query } from './support.ts';

const VIP = address('10.9.0.1');
const OTHER = address('10.9.0.2');
const cell = directory({
  [VIP]: {
    '10.1.0.11': ['tcp/80 http www.cell 700', 'tcp/443 https www.cell 650'],
    '10.1.0.12': ['tcp/80 http www.cell 900'],
  },
  [OTHER]: {
    '10.1.0.11': ['tcp/1720 h323 mcu.cell 950'],
    '10.1.0.13': ['udp/5060 sip mcu.cell 100', 'udp/6000-6100 rtp mcu.cell 300'],
  },
});
const addresses = (decision: ReturnType<typeof answer>) => decision.servers.map(server => server.address);

describe('by VIP', () => {
  test('all its servers, best first, each with its matching services and their best score', () => {
    const decision = answer(query({ vip: VIP }), cell);
    expect(decision).toMatchObject({ reason: 'answered', vip: VIP, omitted: 0 });
    expect(decision.servers.map(({ address: at, score }) => [at, score])).toEqual([
      ['10.1.0.12', 900],
      ['10.1.0.11', 700],
    ]);
  });

  test('a selector leaves out services, and the score is that of what is left', () => {
    const decision = answer(query({ vip: VIP, selector: { protocol: 'https' } }), cell);
    expect(decision.servers).toEqual([
      { address: '10.1.0.11', score: 650, services: [expect.objectContaining({ protocol: 'https' })] },
    ]);
  });

  test('known, but nothing matches', () => {
    const decision = answer(query({ vip: VIP, selector: { transport: 'udp' } }), cell);
    expect(decision).toEqual({ reason: 'no-match', vip: VIP, servers: [], omitted: 0 });
  });

  test('unknown', () => {
    expect(answer(query({ vip: address('10.9.0.3') }), cell).reason).toBe('no-such-vip');
  });

  test('ports: every port of one of the ranges must be served', () => {
    const ports = (first: number, last: number) =>
      addresses(answer(query({ vip: OTHER, selector: { ports: [{ first, last }] } }), cell));
    expect(ports(6000, 6010)).toEqual(['10.1.0.13']);
    expect(ports(5999, 6010)).toEqual([]);
    expect(ports(1720, 1720)).toEqual(['10.1.0.11']);
  });
});

describe('by name', () => {
  test('the servers of all VIPs that have services of it, those services only', () => {
    const decision = answer(query({ name: 'mcu.cell' }), cell);
    expect(decision).toMatchObject({ reason: 'answered', vip: OTHER });
    expect(addresses(decision)).toEqual(['10.1.0.11', '10.1.0.13']);
    expect(decision.servers[0]!.services.map(service => service.protocol)).toEqual(['h323']);
  });

  test('unknown; and known, but not at that VIP', () => {
    expect(answer(query({ name: 'nothing.cell' }), cell).reason).toBe('no-such-name');
    expect(answer(query({ name: 'mcu.cell', vip: VIP }), cell).reason).toBe('no-such-vip');
    expect(answer(query({ name: 'mcu.cell', vip: OTHER }), cell).reason).toBe('answered');
  });
});

describe('by neither', () => {
  test('everything; a server with several VIPs is one server', () => {
    const decision = answer(query(), cell);
    expect(decision.vip).toBeUndefined();
    expect(addresses(decision)).toEqual(['10.1.0.11', '10.1.0.12', '10.1.0.13']);
    expect(decision.servers[0]!.services).toHaveLength(3);
  });

  test('nothing at all is another reason than no match', () => {
    expect(answer(query(), directory({})).reason).toBe('nothing-here');
    expect(answer(query({ selector: { protocol: 'ftp' } }), cell).reason).toBe('no-match');
  });
});

test('want and the limits leave out the worst, and say how many', () => {
  const wanted = answer(query({ want: 1 }), cell);
  expect(addresses(wanted)).toEqual(['10.1.0.11']);
  expect(wanted.omitted).toBe(2);
  const limited = answer(query(), cell, { servers: 2, looked: 100 });
  expect([addresses(limited).length, limited.omitted]).toEqual([2, 1]);
  const shortSighted = answer(query({ vip: VIP }), cell, { servers: 100, looked: 1 });
  expect([shortSighted.servers.length, shortSighted.omitted]).toEqual([1, 1]);
});
