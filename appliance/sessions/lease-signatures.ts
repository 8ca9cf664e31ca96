/**
 * Leases as they cross the edge: signed when they go out, verified when they come back (docs/protocol.md §6).
 */
import { leaseToSign } from '../../sdk/wire/lease.ts';
import type { ManagerMessage } from '../../sdk/wire/messages.ts';
import type { Lease } from '../../sdk/wire/model.ts';
import type { Log, Signer, Verify } from '../host/ports.ts';
import type { Event } from '../registry/events.ts';

export interface LeaseSignatures {
  /** The message with its lease signed, if it has one. */
  signed(message: ManagerMessage): ManagerMessage;
  /** The event with only those presented leases that this manager signed. */
  verified(event: Event): Event;
}

export function createLeaseSignatures(signer: Signer, verify: Verify, log: Log): LeaseSignatures {
  const isOurs = (lease: Lease): boolean =>
    lease.issuer === signer.id && verify(signer.publicKey, leaseToSign(lease), lease.signature);
  return {
    signed: message =>
      message.type === 'lease'
        ? { ...message, lease: { ...message.lease, signature: signer.sign(leaseToSign(message.lease)) } }
        : message,
    verified(event) {
      if (event.type !== 'message' || event.message.type !== 'register' || event.message.leases.length === 0)
        return event;
      const { message } = event;
      const leases = message.leases.filter(isOurs);
      if (leases.length < message.leases.length) {
        log('warning', 'lease-not-verified', {
          server: message.name,
          presented: message.leases.length,
          verified: leases.length,
        });
      }
      return { ...event, message: { ...message, leases } };
    },
  };
}
