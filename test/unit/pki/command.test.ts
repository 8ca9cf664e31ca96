/** The command with the real openssl, in a directory of its own. */

import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pki } from '../../../appliance/commands/pki.ts';
import { createSigner } from '../../../appliance/host/keys.ts';

let base: string;
let mission: string;

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const result = { out: '', err: '' };
  const status = await pki(args, {
    out(text) {
      result.out += text;
    },
    err(text) {
      result.err += text;
    },
  });
  return { status, ...result };
}

const shown = async (path: string) =>
  JSON.parse((await run('show', path, '--json')).out) as Record<string, unknown>;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'bivouac-pki-'));
  mission = join(base, 'mission');
  expect(await run('init', mission, '--mission', 'falcon')).toMatchObject({ status: 0, err: '' });
});
afterAll(() => rmSync(base, { recursive: true }));

test('the authority can only be an authority, and has no end', async () => {
  const certificate = new X509Certificate(readFileSync(join(mission, 'ca.pem')));
  expect(certificate.ca).toBe(true);
  expect(await shown(join(mission, 'ca.pem'))).toMatchObject({
    kind: 'authority',
    mission: 'falcon',
    notBefore: '1970-01-01T00:00:00.000Z',
    notAfter: null,
    key: 'ed25519',
  });
});

test('a server certificate says what its holder may claim, and its key signs for the same identity', async () => {
  const made = await run(
    ...['issue', mission, '--role', 'server', '--name', 'mcu1', '--claim-name', '*.mcu.mission'],
    ...['--claim-vip', '10.255.0.0/24', '--claim-vip', '2001:db8::/64', '--claim-port', 'tcp/1720,1503'],
  );
  expect(made).toMatchObject({ status: 0, err: '' });
  const facts = await shown(join(mission, 'mcu1.pem'));
  expect(facts).toMatchObject({
    kind: 'node',
    mission: 'falcon',
    name: 'mcu1',
    roles: ['server'],
    names: ['*.mcu.mission'],
    vips: ['10.255.0.0/24', '2001:db8::/64'],
    ports: ['tcp/1720', 'tcp/1503'],
    ignored: [],
    issuer: 'falcon mission authority',
  });
  expect(createSigner(readFileSync(join(mission, 'mcu1.key'), 'utf8')).id).toBe(facts['id']);
  const certificate = new X509Certificate(readFileSync(join(mission, 'mcu1.pem')));
  const authority = new X509Certificate(readFileSync(join(mission, 'ca.pem')));
  expect(certificate.verify(authority.publicKey)).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
});

test('only who is connected to may be a TLS server', async () => {
  await run('issue', mission, '--role', 'manager', '--role', 'gslb', '--name', 'm1');
  const certificate = new X509Certificate(readFileSync(join(mission, 'm1.pem')));
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  expect((await shown(join(mission, 'm1.pem')))['roles']).toEqual(['manager', 'gslb']);
});

test('keys are private, and nothing is left lying about', async () => {
  await run('issue', mission, '--role', 'client', '--name', 'tidy');
  for (const name of ['ca.key', 'tidy.key'])
    expect(statSync(join(mission, name)).mode & 0o777, name).toBe(0o600);
  expect(readdirSync(join(mission, 'issued')).filter(name => !/^[0-9A-F]+\.pem$/.test(name))).toEqual([]);
  expect(readdirSync(mission).filter(name => name.startsWith('.'))).toEqual([]);
});

test('without claims a server may claim nothing, and is warned; with --any everything', async () => {
  const bare = await run('issue', mission, '--role', 'server', '--name', 'bare');
  expect(bare.status).toBe(0);
  expect(bare.err).toContain(
    'without --claim-name, --claim-vip, --claim-port bare may not register any service',
  );
  expect(await shown(join(mission, 'bare.pem'))).toMatchObject({ names: [], vips: [], ports: [] });
  const any = await run('issue', mission, '--role', 'server', '--name', 'any', '--any');
  expect(any).toMatchObject({ status: 0, err: '' });
  expect(await shown(join(mission, 'any.pem'))).toMatchObject({ names: ['*'], vips: ['*'], ports: ['*'] });
});

test('what is there is not overwritten without --force', async () => {
  await run('issue', mission, '--role', 'client', '--name', 'twice');
  const key = readFileSync(join(mission, 'twice.key'), 'utf8');
  const again = await run('issue', mission, '--role', 'client', '--name', 'twice');
  expect(again.status).toBe(1);
  expect(again.err).toContain('twice.key is there already: with --force it is replaced');
  expect(readFileSync(join(mission, 'twice.key'), 'utf8')).toBe(key);
  expect((await run('issue', mission, '--role', 'client', '--name', 'twice', '--force')).status).toBe(0);
  expect(readFileSync(join(mission, 'twice.key'), 'utf8')).not.toBe(key);
  const authority = await run('init', mission, '--mission', 'falcon');
  expect(authority.err).toContain('every certificate that the old authority issued would be void');
});

test('several are issued at once', async () => {
  const names = ['p1', 'p2', 'p3', 'p4'];
  const made = await Promise.all(
    names.map(name => run('issue', mission, '--role', 'client', '--name', name)),
  );
  expect(made.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  const serials = await Promise.all(
    names.map(async name => (await shown(join(mission, `${name}.pem`)))['serial']),
  );
  expect(new Set(serials).size).toBe(4);
});

test('--days sets an end', async () => {
  await run('issue', mission, '--role', 'client', '--name', 'short', '--days', '30');
  const days =
    (Date.parse(String((await shown(join(mission, 'short.pem')))['notAfter'])) - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(29.9);
  expect(days).toBeLessThan(30.1);
});

test('show tells a person who, what and until when', async () => {
  await run('issue', mission, '--role', 'server', '--name', 'web', '--claim-vip', '10.255.0.9');
  const { out } = await run('show', join(mission, 'web.pem'));
  expect(out).toMatch(/^node {8}web$/m);
  expect(out).toMatch(/^mission {5}falcon$/m);
  expect(out).toMatch(/^names {7}none may be claimed$/m);
  expect(out).toMatch(/^vips {8}10\.255\.0\.9\/32$/m);
  expect(out).toMatch(/^valid {7}from 1970-01-01 without end$/m);
  expect(out).toMatch(/^identity {4}[0-9a-f]{64}$/m);
});

test.each([
  [['issue', 'DIR', '--role', 'root', '--name', 'x'], 2, "'root' is no role"],
  [
    ['issue', 'DIR', '--role', 'server', '--name', 'x', '--claim-vip', '10.0.0.300'],
    2,
    "'10.0.0.300' is no vip: for example 10.255.0.1",
  ],
  [['issue', 'DIR', '--role', 'server', '--name', 'x', '--claim-port', '1720'], 2, "'1720' is no port"],
  [['issue', 'DIR', '--role', 'server', '--name', 'x', '--claim-name', 'a b'], 2, "'a b' is no name"],
  [['issue', 'DIR', '--role', 'server', '--name', '../x'], 1, 'is no name for a node'],
  [['issue', 'DIR', '--role', 'server', '--name', 'ca'], 1, 'is no name for a node'],
  [['issue', 'DIR', '--role', 'server'], 2, 'give --name NODE'],
  [['issue', 'DIR', '--role', 'server', '--name', 'x', '--days', '0'], 2, '--days is 1…36500'],
  [['issue', 'DIR', '--role', 'server', '--name', 'x', '--colour', 'red'], 2, '--colour'],
  [['issue', '/nowhere', '--role', 'server', '--name', 'x'], 1, "make one with 'bivouac pki init /nowhere"],
  [['init', 'DIR/new', '--mission', 'a$b'], 1, 'is no name for a mission'],
  [['show', 'DIR/absent.pem'], 1, 'no such file'],
  [['show', 'DIR/ca.key'], 1, 'a private key, not a certificate'],
  [['destroy'], 2, 'usage:'],
] as const)('%j is refused with the mend', async (args, status, words) => {
  const result = await run(...args.map(arg => arg.replace('DIR', mission)));
  expect(result.status).toBe(status);
  expect(result.err).toContain(words);
  expect(result.err).not.toContain('PRIVATE KEY');
  expect(readdirSync(mission)).not.toContain('x.key');
});

test.each([[], ['--help'], ['help'], ['issue', '--help']])('%j tells how it is used', async (...args) => {
  expect(await run(...args)).toMatchObject({
    status: 0,
    err: '',
    out: expect.stringMatching(/^usage: bivouac pki init/),
  });
});

test('an authority that cannot sign leaves no half-made node', async () => {
  const broken = join(base, 'broken');
  await run('init', broken, '--mission', 'falcon');
  writeFileSync(join(broken, 'ca.key'), 'gone');
  const failed = await run('issue', broken, '--role', 'client', '--name', 'half');
  expect(failed.status).toBe(1);
  expect(failed.err).toContain('openssl ca failed');
  expect(readdirSync(broken).sort()).toEqual(['ca.key', 'ca.pem', 'issued']);
});
