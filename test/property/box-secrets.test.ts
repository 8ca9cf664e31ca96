/**
 * Secrets never stand in a support file: neither those that are known, however they are written and wherever they stand, nor what only
 * looks like one.
 */
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { redactor } from '../../appliance/box/redact.ts';
import { finish, SECTION_LIMIT, sections } from '../../appliance/box/support.ts';

const pem = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** How a program may write a value. */
const WRITTEN: readonly ((secret: string) => string)[] = [
  secret => secret,
  secret => `"${secret}"`,
  secret => JSON.stringify({ some: secret }),
  secret => Buffer.from(secret).toString('base64'),
  secret => Buffer.from(secret).toString('hex'),
  secret => Buffer.from(secret).toString('hex').toUpperCase(),
  secret => encodeURIComponent(secret),
  secret => `journal: bivouac[12]: read ${secret}; went on`,
];

const secret = fc.string({
  minLength: 6,
  maxLength: 16,
  unit: fc.constantFrom(...'abcdefgXYZ0189!#%&()*+,-./:;<=>?@^_|~"'),
});

test('a secret that is known is taken out wherever and however it stands', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(secret, fc.nat(WRITTEN.length - 1), fc.string()), { minLength: 1, maxLength: 6 }),
      planted => {
        const text = planted
          .map(([value, how, around]) => `${around}${WRITTEN[how]!(value)}${around}`)
          .join('\n');
        const left = redactor(planted.map(([value]) => value))(text);
        // A secret that one cannot tell from what is put in its place, or from the words around it, is another matter.
        for (const [value] of planted)
          if (!planted.some(([, , around]) => around.includes(value))) expect(left).not.toContain(value);
      },
    ),
    { numRuns: 500 },
  );
});

test('each line of a private key that is known is taken out, by itself, too', () => {
  fc.assert(
    fc.property(fc.string(), around => {
      const key = pem();
      const [, body] = key.split('\n');
      const left = redactor([key])(`${around}\n${body}\n${around}${key}\n${JSON.stringify({ key })}`);
      expect(left).not.toContain(body);
    }),
    { numRuns: 50 },
  );
});

const V = 'hunter2hunter2';
test.each([
  ['a PEM key', () => pem(), (text: string) => text.split('\n')[1]!],
  ['one that is cut off', () => pem().slice(0, 90), (text: string) => text.split('\n')[1]!.slice(0, 30)],
  ['an OSPF key', () => ` ip ospf message-digest-key 1 md5 ${V}`, () => V],
  ['an OSPFv3 key', () => ` ipv6 ospf6 authentication key-id 1 hash-algo hmac-sha-256 key ${V}`, () => V],
  ['a vty password', () => `password ${V}\nenable password 8 ${V}`, () => V],
  ['a BGP password', () => ` neighbor 10.0.0.1 password ${V}`, () => V],
  ['a password in JSON', () => `{"ospfPassword": "${V}"}`, () => V],
  ['a token in a log', () => `level=info token=${V} next=1`, () => V],
  ['a kernel secret', () => `net.ipv6.conf.all.stable_secret = ${V}`, () => V],
  ['the key of TCP Fast Open', () => `net.ipv4.tcp_fastopen_key = ${V}`, () => V],
  ['a cookie', () => `Cookie: session=${V}; x=1\nHost: a`, () => V],
  ['a bearer', () => `Authorization: Bearer ${V}`, () => V],
  ['a password hash', () => `root:$y$j9T$${V}$${V}:19000:`, () => V],
])('%s that nobody knows of is taken out by its looks', (_, plant, secretOf) => {
  const planted = plant();
  expect(redactor([])(`before\n${planted}\nafter`)).not.toContain(secretOf(planted));
});

test.each([
  'a.',
  '"a',
  '"password":"',
  'secret = ',
  '-----BEGIN PRIVATE KEY-----',
  ' ',
  'ipv6 ospf6 authentication ',
])('a megabyte of %j does not keep it busy', piece => {
  const began = process.cpuUsage();
  redactor([V])(piece.repeat(1_000_000 / piece.length));
  // µs of its own, whatever else the machine does.
  expect(process.cpuUsage(began).user).toBeLessThan(10_000_000);
});

test('what is no secret stays', () => {
  const text = 'server web1 at 10.1.0.11: up, reason check tcp/80 passed\n"key": "cell-a.key"\n';
  expect(redactor([V])(text)).toBe(text);
});

test('a section is redacted before it is cut, and never longer than it may be', () => {
  fc.assert(
    fc.property(fc.nat(40), before => {
      const room = 64;
      const text = finish(`${'x'.repeat(before)}${'s3cr3t!'.repeat(20)}`, redactor(['s3cr3t!']), room);
      expect(text).not.toMatch(/s3cr/);
      expect(text.length).toBeLessThan(room + 40);
    }),
  );
  expect(finish('x'.repeat(SECTION_LIMIT + 1), whole => whole, 1e9)).toContain('[cut: 1048577 characters]');
});

test('each section has a name of its own', () => {
  const names = sections('/etc/bivouac/bivouac.json').map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter(name => !/^[A-Za-z0-9][\w.+-]*$/.test(name))).toEqual([]);
});
