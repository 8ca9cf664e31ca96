/** Certificates taken back, with the real openssl, and the list of them as a manager reads it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pki } from '../../../appliance/commands/pki.ts';
import { readCertificate } from '../../../appliance/host/certificates.ts';
import { verify } from '../../../appliance/host/keys.ts';
import { canonicalSerial, readRevoked } from '../../../appliance/pki/crl.ts';

let base: string;
let mission: string;

async function run(...args: string[]): Promise<{ status: number; text: string }> {
  let text = '';
  const take = (more: string): void => {
    text += more;
  };
  return { status: await pki(args, { out: take, err: take }), text };
}

const issue = (name: string, ...more: string[]) =>
  run('issue', mission, '--role', 'server', '--any', '--name', name, ...more);
const certificate = (name: string) => readCertificate(readFileSync(join(mission, `${name}.pem`), 'utf8'));
const list = () => readFileSync(join(mission, 'ca.crl'), 'utf8');
const revoked = () => readRevoked(list(), certificate('ca').publicKey, verify);

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'bivouac-crl-'));
  mission = join(base, 'mission');
  await run('init', mission, '--mission', 'falcon');
  for (const name of ['web1', 'web2', 'web3']) await issue(name);
});
afterAll(() => rmSync(base, { recursive: true }));

test('what was issued to a node is revoked, also what it had before, and nothing else', async () => {
  const before = certificate('web1').serial;
  await issue('web1', '--force');
  const made = await run('revoke', mission, '--name', 'web1');
  expect(made).toMatchObject({ status: 0, text: expect.stringContaining(`${mission}/ca.crl`) });
  expect([...revoked()].sort()).toEqual([before, certificate('web1').serial].map(canonicalSerial).sort());

  expect(await run('revoke', mission, '--serial', certificate('web2').serial)).toMatchObject({ status: 0 });
  expect(revoked().size).toBe(3);
  // Again: nothing changes. A new certificate for the node is good.
  expect(await run('revoke', mission, '--name', 'web1')).toMatchObject({ status: 0 });
  await issue('web1', '--force');
  expect(revoked().size).toBe(3);
  expect(revoked()).not.toContain(canonicalSerial(certificate('web1').serial));
  expect(readdirSync(join(mission, 'issued')).filter(name => name.startsWith('.'))).toEqual([]);
});

test.each([
  [['revoke', 'DIR'], 2, 'give --name NODE, or --serial HEX'],
  [['revoke', 'DIR', '--name', 'nobody'], 1, 'holds no certificate of nobody'],
  [['revoke', 'DIR', '--serial', 'AB'], 1, 'with serial number AB'],
  [['revoke', '/nowhere', '--name', 'web1'], 1, "make one with 'bivouac pki init /nowhere"],
] as const)('%j is refused with the mend', async (args, status, words) => {
  expect(await run(...args.map(arg => arg.replace('DIR', mission)))).toMatchObject({
    status,
    text: expect.stringContaining(words),
  });
});

test('a list of another authority, and what is no list, is refused', async () => {
  const other = join(base, 'other');
  await run('init', other, '--mission', 'hawk');
  const { publicKey } = readCertificate(readFileSync(join(other, 'ca.pem'), 'utf8'));
  expect(() => readRevoked(list(), publicKey, verify)).toThrow("not signed by this mission's authority");
  const ca = readFileSync(join(mission, 'ca.pem'), 'utf8');
  expect(() => readRevoked(ca, publicKey, verify)).toThrow('no list of revoked certificates in PEM');
});

test('whatever stands in it, reading ends with a list or with an Error of one sentence', () => {
  const good = Buffer.from(
    list()
      .split('\n')
      .filter(line => !line.startsWith('-'))
      .join(''),
    'base64',
  );
  const changes = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 5 });
  fc.assert(
    fc.property(changes, fc.nat(good.length), fc.uint8Array({ maxLength: 9 }), (edits, cut, tail) => {
      const bytes = Buffer.from(good);
      for (const [at, byte] of edits) bytes[at] = byte;
      const text = Buffer.concat([bytes.subarray(0, cut), tail, bytes.subarray(cut)]).toString('base64');
      const pem = `-----BEGIN X509 CRL-----\n${text}\n-----END X509 CRL-----\n`;
      try {
        // Whoever could sign anything.
        expect(readRevoked(pem, new Uint8Array(0), () => true).size).toBeLessThan(good.length);
      } catch (error) {
        expect((error as Error).message).toMatch(/^it is damaged: its structure/);
      }
    }),
    { numRuns: 2000 },
  );
});
