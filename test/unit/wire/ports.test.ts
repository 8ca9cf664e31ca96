import { describe, expect, test } from 'vitest';
import { formatPorts, holdsPorts, normalisePorts, parsePorts } from '../../../sdk/wire/ports.ts';
import { matches } from '../../../sdk/wire/selector.ts';

const port = (first: number, last = first) => ({ first, last });

describe('ports as text', () => {
  test.each([
    ['80', [port(80)], '80'],
    ['80,8080,5000-5100', [port(80), port(5000, 5100), port(8080)], '80,5000-5100,8080'],
    [' 80 , 443 ', [port(80), port(443)], '80,443'],
    ['80,81', [port(80, 81)], '80-81'],
    ['80-90,85-100,1', [port(1), port(80, 100)], '1,80-100'],
    ['80-100,85-90', [port(80, 100)], '80-100'],
    ['1-65535', [port(1, 65_535)], '1-65535'],
    ['*', [], '*'],
    ['', [], '*'],
  ])('%j', (text, ranges, canonical) => {
    expect(parsePorts(text)).toEqual(ranges);
    expect(formatPorts(ranges)).toBe(canonical);
    expect(parsePorts(canonical)).toEqual(ranges);
  });

  test.each([
    '0',
    '65536',
    '90-80',
    '80-',
    '-80',
    '80,,81',
    '80;81',
    '8O',
    '1e3',
    '80-81-82',
    '123456',
    '*,80',
  ])('%j is not a list of ports', text => expect(parsePorts(text)).toBeUndefined());
});

test('a set of ports holds a range when none is missing', () => {
  const set = normalisePorts([port(80), port(100, 200), port(201, 300)]);
  expect(holdsPorts(set, port(80))).toBe(true);
  expect(holdsPorts(set, port(150, 250))).toBe(true);
  expect(holdsPorts([port(100, 200), port(201, 300)], port(150, 250))).toBe(true);
  expect(holdsPorts(set, port(79, 80))).toBe(false);
  expect(holdsPorts(set, port(80, 100))).toBe(false);
  expect(holdsPorts(set, port(300, 301))).toBe(false);
  expect(holdsPorts([], port(80))).toBe(false);
});

describe('a selector', () => {
  const web = { protocol: 'http', transport: 'tcp', ports: [port(80), port(8000, 8010)] } as const;

  test.each([
    ['nothing asked', {}, true],
    ['its protocol', { protocol: 'http' }, true],
    ['another protocol', { protocol: 'https' }, false],
    ['its transport', { transport: 'tcp' }, true],
    ['another transport', { transport: 'udp' }, false],
    ['no ports at all', { ports: [] }, true],
    ['one of its ports', { ports: [port(80)] }, true],
    ['a range within', { ports: [port(8001, 8009)] }, true],
    ['a range that reaches out', { ports: [port(8001, 8011)] }, false],
    ['another port, or one of its', { ports: [port(22), port(80)] }, true],
    ['other ports', { ports: [port(22), port(443)] }, false],
    ['all of it', { protocol: 'http', transport: 'tcp', ports: [port(8000)] }, true],
    ['all but the transport', { protocol: 'http', transport: 'sctp', ports: [port(8000)] }, false],
  ] as const)('%s', (_case, selector, expected) => expect(matches(selector, web)).toBe(expected));

  test('a service on every port matches every port', () =>
    expect(matches({ ports: [port(1)] }, { ...web, ports: [] })).toBe(true));
});
