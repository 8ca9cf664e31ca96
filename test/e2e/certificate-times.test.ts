/** Certificates of 1970 and of 2099: good all the same, unless dates are to count; and nothing else hides behind a wrong date. */
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { derOf, inspectorOf, readCertificate } from '../../appliance/host/certificates.ts';
import { createExec } from '../../appliance/host/exec.ts';
import { createFiles } from '../../appliance/host/files.ts';
import { identify, verify } from '../../appliance/host/keys.ts';
import { createNet } from '../../appliance/host/net.ts';
import type { Listener, TlsIdentity } from '../../appliance/host/ports.ts';
import { createRandom } from '../../appliance/host/random.ts';
import { revokeCertificates } from '../../appliance/pki/authority.ts';
import { readRevoked } from '../../appliance/pki/crl.ts';
import { type Fault, type TrustOptions, trustOf } from '../../appliance/pki/trust.ts';
import { connect } from '../../sdk/transport/node-stream.ts';
import { address } from '../../sdk/wire/address.ts';
import { createMission, type Mission } from './mission.ts';

const PAST = ['19710101000000Z', '19700101000000Z'] as const;
const FUTURE = ['21000101000000Z', '20990101000000Z'] as const;

let mission: Mission;
let other: Mission;
const identities = new Map<string, TlsIdentity>();
const of = (name: string): TlsIdentity => identities.get(name)!;

beforeAll(async () => {
  mission = await createMission('falcon');
  other = await createMission('owl');
  for (const [name, role, dates] of [
    ['m', 'manager', []],
    ['m-1970', 'manager', PAST],
    ['m-2099', 'manager', FUTURE],
    ['s', 'server', []],
    ['s-1970', 'server', PAST],
    ['s-2099', 'server', FUTURE],
  ] as const)
    identities.set(name, await mission.issue(name, role, ...dates));
  identities.set('foreign', { ...(await other.issue('f', 'manager', ...PAST)), ca: of('m').ca });
  const forged = await mission.issueFrom('s', 'forged', 'manager');
  identities.set('forged', {
    ...forged,
    ca: of('m').ca,
    certificate: forged.certificate + of('s').certificate,
  });
});

afterAll(() => {
  mission.remove();
  other.remove();
});

/** A server that connects to a manager: whom the manager let in, and how it ended for the server (`open` = it did not). */
async function meet(
  manager: TlsIdentity,
  server: TlsIdentity,
): Promise<{ outcome: string; refused: string[] }> {
  const refused: string[] = [];
  let listener: Listener | undefined;
  const outcome = await new Promise<string>((resolve, reject) => {
    createNet()
      .listen(
        { address: address('127.0.0.1'), port: 0, tls: manager },
        (stream, peer) => {
          stream.write(Uint8Array.of(peer.certificate ? 1 : 0));
          return { onData() {}, onClose() {} };
        },
        (_from, why) => void refused.push(why),
      )
      .then(made => {
        listener = made;
        const stream = connect(
          { address: address('127.0.0.1'), port: made.port, tls: { identity: server, verify: true } },
          {
            onData() {
              resolve('open');
              stream.destroy();
            },
            onClose: error => resolve(error ?? 'closed'),
          },
        );
      })
      .catch(reject);
  });
  listener?.close();
  return { outcome, refused };
}

describe('TLS', () => {
  test.each([
    ['m-1970', 's-2099'],
    ['m-2099', 's-1970'],
    ['m', 's-1970'],
    ['m-2099', 's'],
  ])('%s and %s meet', async (manager, server) => {
    expect(await meet(of(manager), of(server))).toEqual({ outcome: 'open', refused: [] });
  });

  test('where dates count, a server’s are refused by the manager, and a manager’s by the server', async () => {
    const strict = (name: string): TlsIdentity => ({ ...of(name), validity: 'enforce' });
    expect((await meet(strict('m'), of('s-1970'))).refused).toEqual([
      'the certificate does not verify: CERT_HAS_EXPIRED',
    ]);
    expect((await meet(of('m-2099'), strict('s'))).outcome).toContain('does not verify: CERT_NOT_YET_VALID');
    expect((await meet(strict('m'), strict('s'))).outcome).toBe('open');
  });

  test.each(['foreign', 'forged'])('%s: neither side takes it, whatever its dates', async name => {
    const { refused } = await meet(of('m'), of(name));
    expect(refused).toEqual([expect.stringContaining('does not verify')]);
    expect((await meet(of(name), of('s'))).outcome).toContain('does not verify');
  });

  test('a server’s certificate of 1970 does not pass for a manager’s', async () => {
    expect((await meet(of('s-1970'), of('s-2099'))).outcome).toContain('does not verify');
  });
});

describe('trust', () => {
  const options = (changes: Partial<TrustOptions> = {}): TrustOptions => ({
    inspect: inspectorOf(of('m').ca),
    identify,
    ...{ revoked: new Set<string>(), validity: 'ignore', today: () => new Date('2026-01-01T00:00:00Z') },
    ...changes,
  });
  const judge = (der: Uint8Array, changes?: Partial<TrustOptions>) => trustOf(options(changes)).judge(der);
  const fault = (der: Uint8Array, changes?: Partial<TrustOptions>): Fault['code'] | undefined => {
    const judged = judge(der, changes);
    return 'fault' in judged ? judged.fault.code : undefined;
  };
  const der = (name: string): Uint8Array => derOf(of(name).certificate);

  test.each(['m', 'm-1970', 'm-2099'])('%s is a manager', name => {
    expect(judge(der(name))).toMatchObject({
      member: { id: readCertificate(of(name).certificate).id, roles: ['manager'] },
    });
  });

  test('where dates count, the past and the future are out of time', () => {
    expect(['m', 'm-1970', 'm-2099'].map(name => fault(der(name), { validity: 'enforce' }))).toEqual([
      undefined,
      'out-of-time',
      'out-of-time',
    ]);
  });

  test('who is not of the mission', () => {
    expect(fault(der('foreign'))).toBe('not-issued');
    expect(fault(derOf(of('forged').certificate))).toBe('not-issued');
    expect(fault(derOf(of('m').ca))).toBe('no-member');
  });

  test('what is not one certificate in DER', () => {
    const good = der('m');
    for (const bad of [
      new Uint8Array(0),
      Uint8Array.from({ length: 300 }, (_, at) => at & 255),
      good.slice(0, -1),
      Uint8Array.from([...good, 0]),
      new TextEncoder().encode(of('m').certificate),
      new Uint8Array(3000),
    ])
      expect(fault(bad)).toBe('unreadable');
  });

  test('a bit turned anywhere makes it another, or none', () => {
    const good = der('m');
    const id = readCertificate(of('m').certificate).id;
    let looked = 0;
    for (let at = 0; at < good.length; at += 3) {
      const bad = Uint8Array.from(good);
      bad[at]! ^= 1 << (at & 7);
      const judged = judge(bad);
      if ('member' in judged) expect([at, judged.member.id]).toEqual([at, id]);
      else looked++;
    }
    expect(looked).toBeGreaterThan(good.length / 3 - 5);
  });

  test('one that was revoked', async () => {
    const deps = { exec: createExec(), files: createFiles(), random: createRandom() };
    const list = await revokeCertificates(deps, mission.directory, [of('m-1970').certificate]);
    const authority = readCertificate(of('m').ca).publicKey;
    const revoked = readRevoked(deps.files.read(list)!, authority, verify);
    expect(fault(der('m-1970'), { revoked })).toBe('revoked');
    expect(fault(der('m-2099'), { revoked })).toBeUndefined();
  });

  test('judged once, it is remembered; strangers are not', () => {
    let inspected = 0;
    const inspect = inspectorOf(of('m').ca);
    const trust = trustOf(
      options({
        inspect(bytes) {
          inspected++;
          return inspect(bytes);
        },
      }),
    );
    for (let times = 0; times < 3; times++) trust.judge(der('m'));
    expect(inspected).toBe(1);
    for (let times = 0; times < 3; times++) trust.judge(der('foreign'));
    expect(inspected).toBe(4);
  });

  test('a manager’s certificate fits into a notice', () => {
    expect(new X509Certificate(of('m').certificate).raw.length).toBeLessThan(700);
  });
});
