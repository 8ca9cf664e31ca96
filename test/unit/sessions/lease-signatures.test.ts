/** Leases of other managers: good by their issuers' certificates alone. */
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { createSigner, verify } from '../../../appliance/host/keys.ts';
import type { Signer } from '../../../appliance/host/ports.ts';
import type { Role } from '../../../appliance/pki/claims.ts';
import type { Trust } from '../../../appliance/pki/trust.ts';
import type { Event } from '../../../appliance/registry/events.ts';
import { createLeaseSignatures } from '../../../appliance/sessions/lease-signatures.ts';
import { address } from '../../../sdk/wire/address.ts';
import { leaseToSign } from '../../../sdk/wire/lease.ts';
import type { Lease } from '../../../sdk/wire/model.ts';
import { ANYTHING, serverId, sessionOf } from '../../support/registry.ts';

const newSigner = (): Signer =>
  createSigner(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());

const [here, there] = [newSigner(), newSigner()];
const CERTIFICATE = Uint8Array.of(1);

/** Knows one certificate, that of the manager there. */
const trustIn = (role: Role): Trust => ({
  judge: der =>
    der[0] === 1
      ? {
          member: {
            ...{ id: there.id as never, publicKey: there.publicKey, roles: [role] },
            ...{ uris: [], subject: '', serial: '' },
          },
        }
      : { fault: { code: 'not-issued', sentence: 'a stranger' } },
});

function leaseBy(signer: Signer, changes: Partial<Lease> = {}): Lease {
  const terms = {
    ...{ vip: address('10.255.0.7'), server: serverId(1), issuer: signer.id, epoch: 3 },
    ...{ duration: 60, shared: false },
  };
  return { ...terms, signature: signer.sign(leaseToSign(terms)), ...changes };
}

/** How many of these leases get through. */
function verified(
  trust: Trust | undefined,
  leases: readonly Lease[],
  certificates: readonly Uint8Array[],
): number {
  const event: Event = {
    type: 'message',
    session: sessionOf(1),
    claims: ANYTHING,
    peer: address('10.1.0.1'),
    message: {
      ...{
        type: 'register',
        transaction: 1,
        versions: [1, 1],
        server: serverId(1),
        name: 's1',
        addresses: [],
      },
      ...{ epoch: 4, heartbeat: 0, software: '', leases, certificates },
    },
  };
  const log = (): void => {};
  const result = createLeaseSignatures(here, verify, log, () => trust).verified(event);
  return result.type === 'message' && result.message.type === 'register' ? result.message.leases.length : -1;
}

test('a lease is good with its issuer’s certificate, and without it no lease', () => {
  expect(verified(trustIn('manager'), [leaseBy(there)], [CERTIFICATE])).toBe(1);
  expect(verified(trustIn('manager'), [leaseBy(there)], [])).toBe(0);
  expect(verified(trustIn('manager'), [leaseBy(there)], [Uint8Array.of(9)])).toBe(0);
  expect(verified(undefined, [leaseBy(there)], [CERTIFICATE])).toBe(0);
});

test('who is no manager issues no leases', () => {
  expect(verified(trustIn('server'), [leaseBy(there)], [CERTIFICATE])).toBe(0);
});

test('this manager’s own need no certificate', () => {
  expect(verified(undefined, [leaseBy(here)], [])).toBe(1);
});

test('what goes out is signed where an authority says who this manager is, and nowhere else', () => {
  const { signature: _, ...terms } = leaseBy(here);
  const message = {
    type: 'lease',
    transaction: 1,
    lease: { ...terms, signature: new Uint8Array(0) },
  } as const;
  const sent = (trust: Trust | undefined): Uint8Array => {
    const signed = createLeaseSignatures(
      here,
      verify,
      () => {},
      () => trust,
    ).signed(message);
    return signed.type === 'lease' ? signed.lease.signature : new Uint8Array(0);
  };
  expect(verify(here.publicKey, leaseToSign(terms), sent(trustIn('manager')))).toBe(true);
  expect(sent(undefined)).toHaveLength(0);
});

test('a lease that was changed, or is said to be another’s, is none', () => {
  const trust = trustIn('manager');
  const changed: Partial<Lease>[] = [
    ...[{ vip: address('10.255.0.8') }, { server: serverId(2) }, { epoch: 4 }, { shared: true }],
    ...[{ issuer: here.id }, { duration: 61 }, { signature: new Uint8Array(64) }],
  ];
  for (const change of changed) expect(verified(trust, [leaseBy(there, change)], [CERTIFICATE])).toBe(0);
});
