/**
 * Leases as they cross the edge: signed when they go out, verified when they come back (docs/protocol.md §6).
 */
import { leaseToSign } from '../../sdk/wire/lease.ts';
import type { ManagerMessage } from '../../sdk/wire/messages.ts';
import type { Lease, ManagerId } from '../../sdk/wire/model.ts';
import type { Log, Signer, Verify } from '../host/ports.ts';
import type { Trust } from '../pki/trust.ts';
import type { Event } from '../registry/events.ts';

export interface LeaseSignatures {
  /**
   * The message with its lease signed, if it has one. Where no authority says who a manager is, as over plain TCP, nobody can verify
   * a signature, and none is made.
   */
  signed(message: ManagerMessage): ManagerMessage;
  /** The event with only those presented leases that this manager signed, or another one whose certificate came along. */
  verified(event: Event): Event;
}

/** `trust`: who is of the mission now; undefined = nobody but this manager is known to be. */
export function createLeaseSignatures(
  signer: Signer,
  verify: Verify,
  log: Log,
  trust: () => Trust | undefined = () => undefined,
): LeaseSignatures {
  /** The keys of the managers that these certificates show, and this one's. */
  const issuersOf = (certificates: readonly Uint8Array[]): ReadonlyMap<ManagerId, Uint8Array> => {
    const keys = new Map<ManagerId, Uint8Array>([[signer.id, signer.publicKey]]);
    for (const der of certificates) {
      const judgement = trust()?.judge(der);
      if (judgement === undefined) continue;
      if ('fault' in judgement) log('warning', 'issuer-not-trusted', { ...judgement.fault });
      else if (judgement.member.roles.includes('manager'))
        keys.set(judgement.member.id, judgement.member.publicKey);
    }
    return keys;
  };
  const isSigned = (keys: ReadonlyMap<ManagerId, Uint8Array>, lease: Lease): boolean => {
    const key = keys.get(lease.issuer);
    return key !== undefined && verify(key, leaseToSign(lease), lease.signature);
  };
  return {
    signed: message =>
      message.type === 'lease' && trust() !== undefined
        ? { ...message, lease: { ...message.lease, signature: signer.sign(leaseToSign(message.lease)) } }
        : message,
    verified(event) {
      if (event.type !== 'message' || event.message.type !== 'register' || event.message.leases.length === 0)
        return event;
      const { message } = event;
      const keys = issuersOf(message.certificates ?? []);
      const leases = message.leases.filter(lease => isSigned(keys, lease));
      // Over plain TCP they come as they went out, without; their server then asks for the VIP anew.
      if (leases.length < message.leases.length && trust() !== undefined) {
        log('warning', 'lease-not-verified', {
          server: message.name,
          presented: message.leases.length,
          verified: leases.length,
          certificates: message.certificates?.length ?? 0,
        });
      }
      return { ...event, message: { ...message, leases } };
    },
  };
}
