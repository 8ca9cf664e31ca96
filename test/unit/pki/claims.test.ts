import { expect, test } from 'vitest';
import { claimsOf, credentialsOf, UNLIMITED, urisOf } from '../../../appliance/pki/claims.ts';
import type { Claims } from '../../../appliance/registry/events.ts';
import {
  permitsName,
  permitsPorts,
  permitsService,
  permitsVip,
} from '../../../appliance/registry/permits.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ServerId } from '../../../sdk/wire/model.ts';

const ID = 'ab'.repeat(32) as ServerId;
const claims = (...uris: string[]): Claims =>
  claimsOf({ publicKey: new Uint8Array(44), uris, subject: 'CN=mcu1', serial: '01' }, () => ID);

test('URI names become canonical limits, and are written back the same', () => {
  const uris = [
    'urn:bivouac:role:server',
    'urn:bivouac:role:client',
    'urn:bivouac:name:*.mcu.mission',
    'urn:bivouac:vip:10.255.0.0/24',
    'urn:bivouac:vip:2001:db8::/32',
    'urn:bivouac:port:tcp/80',
    'urn:bivouac:port:udp/5000-5100',
  ];
  const credentials = credentialsOf(uris);
  expect(credentials).toEqual({
    roles: ['server', 'client'],
    names: ['*.mcu.mission'],
    vips: ['10.255.0.0/24', '2001:db8::/32'],
    ports: ['tcp/80', 'udp/5000-5100'],
    ignored: [],
  });
  expect(urisOf(credentials)).toEqual(uris);
});

test('a single VIP becomes a prefix of one, host bits are cleared, a list of ports is taken apart', () => {
  const { vips, ports } = credentialsOf([
    'urn:bivouac:vip:10.255.0.7',
    'urn:bivouac:vip:2001:DB8::1',
    'urn:bivouac:vip:10.1.2.3/8',
    'urn:bivouac:port:tcp/80,443,8000-8010',
  ]);
  expect(vips).toEqual(['10.255.0.7/32', '2001:db8::1/128', '10.0.0.0/8']);
  expect(ports).toEqual(['tcp/80', 'tcp/443', 'tcp/8000-8010']);
});

test.each([
  'urn:bivouac:',
  'urn:bivouac:vip',
  'urn:bivouac:vip:',
  'urn:bivouac:vip:10.0.0.0/33',
  'urn:bivouac:vip:10.0.0.0/8/9',
  'urn:bivouac:vip:mcu1',
  'urn:bivouac:port:80',
  'urn:bivouac:port:tcp/',
  'urn:bivouac:port:tcp/0',
  'urn:bivouac:port:tcp/65536',
  'urn:bivouac:port:tcp/90-80',
  'urn:bivouac:port:tcp/80,x',
  'urn:bivouac:port:icmp/1',
  'urn:bivouac:name:',
  'urn:bivouac:name:*',
  'urn:bivouac:name:*.*',
  'urn:bivouac:name:*mcu',
  'urn:bivouac:name:MCU.mission',
  'urn:bivouac:name:a..b',
  'urn:bivouac:name:-a',
  'urn:bivouac:role:root',
  'urn:bivouac:color:red',
  'urn:bivouac:__proto__:x',
])('%s is understood or permits nothing, and is named', uri => {
  const credentials = credentialsOf([uri]);
  if (uri === 'urn:bivouac:name:*') expect(credentials.names).toEqual(['*']);
  else expect(credentials).toEqual({ roles: [], names: [], vips: [], ports: [], ignored: [uri] });
});

test('other URI names are passed over', () => {
  expect(credentialsOf(['https://bivouac/urn:bivouac:name:*', 'spiffe://x']).ignored).toEqual([]);
});

test('a certificate that says nothing permits nothing', () => {
  const none = claims('urn:bivouac:role:server');
  expect(none.server).toBe(ID);
  expect(permitsVip(none, address('10.255.0.1'))).toEqual({
    code: 'vip-not-permitted',
    sentence: "the server's certificate does not permit the VIP 10.255.0.1: it allows none",
  });
  expect(permitsName(none, 'a.mission')?.code).toBe('name-not-permitted');
  expect(permitsPorts(none, 'tcp', { first: 80, last: 80 })?.code).toBe('port-not-permitted');
});

test('without a certificate, where that is configured, nothing is limited', () => {
  expect(permitsVip(UNLIMITED, address('10.255.0.1'))).toBeUndefined();
  expect(permitsName(UNLIMITED, 'a')).toBeUndefined();
  expect(permitsPorts(UNLIMITED, 'sctp', { first: 1, last: 65_535 })).toBeUndefined();
});

test('`*` permits everything of its kind and nothing of the others', () => {
  const any = claims('urn:bivouac:vip:*');
  expect(permitsVip(any, address('2001:db8::1'))).toBeUndefined();
  expect(permitsName(any, 'a')?.code).toBe('name-not-permitted');
});

test('a wildcard name holds one or more labels, never none, and never a mere ending', () => {
  const mcu = claims('urn:bivouac:name:*.mcu.mission');
  expect(permitsName(mcu, 'a.mcu.mission')).toBeUndefined();
  expect(permitsName(mcu, 'a.b.mcu.mission')).toBeUndefined();
  expect(permitsName(mcu, 'A.MCU.mission')).toBeUndefined();
  for (const name of ['mcu.mission', 'evilmcu.mission', '.mcu.mission', 'a.mcu.mission.evil'])
    expect(permitsName(mcu, name)?.code, name).toBe('name-not-permitted');
});

test('a VIP of the other family is never within a prefix', () => {
  expect(permitsVip(claims('urn:bivouac:vip:0.0.0.0/0'), address('::1'))?.code).toBe('vip-not-permitted');
  expect(permitsVip(claims('urn:bivouac:vip:::/0'), address('1.2.3.4'))?.code).toBe('vip-not-permitted');
  expect(permitsVip(claims('urn:bivouac:vip:::/0'), address('2001:db8::1'))).toBeUndefined();
});

test('several port limits cover a range together, but only without a hole', () => {
  const ports = claims('urn:bivouac:port:tcp/91-100,80-90', 'urn:bivouac:port:udp/101');
  expect(permitsPorts(ports, 'tcp', { first: 80, last: 100 })).toBeUndefined();
  expect(permitsPorts(ports, 'tcp', { first: 80, last: 101 })?.sentence).toContain('tcp/80-101');
  expect(permitsPorts(ports, 'udp', { first: 80, last: 80 })?.code).toBe('port-not-permitted');
});

test('a service is permitted only as a whole', () => {
  const one = claims('urn:bivouac:name:m.mission', 'urn:bivouac:vip:10.0.0.1', 'urn:bivouac:port:tcp/80');
  const service = {
    name: 'm.mission',
    vip: address('10.0.0.1'),
    transport: 'tcp',
    ports: [{ first: 80, last: 80 }],
  } as const;
  expect(permitsService(one, service)).toBeUndefined();
  expect(permitsService(one, { ...service, name: 'n.mission' })?.code).toBe('name-not-permitted');
  expect(permitsService(one, { ...service, vip: address('10.0.0.2') })?.code).toBe('vip-not-permitted');
  expect(permitsService(one, { ...service, transport: 'udp' })?.code).toBe('port-not-permitted');
  const more = [...service.ports, { first: 81, last: 81 }];
  expect(permitsService(one, { ...service, ports: more })?.code).toBe('port-not-permitted');
});

test('a refusal quotes a few limits, not hundreds', () => {
  const many = claims(...Array.from({ length: 300 }, (_, index) => `urn:bivouac:name:n${index}.mission`));
  expect(permitsName(many, 'x')?.sentence).toBe(
    "the server's certificate does not permit the name x: it allows n0.mission, n1.mission, n2.mission, n3.mission, …",
  );
});
