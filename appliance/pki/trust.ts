/**
 * Who is of the mission: judges certificates that come without TLS, in notices and with foreign leases. Pure over what reads them.
 */
import type { ManagerId } from '../../sdk/wire/model.ts';
import type { Inspected } from '../host/ports.ts';
import { credentialsOf, type Role } from './claims.ts';
import { canonicalSerial } from './crl.ts';

/** Reads DER; undefined for what is no certificate. */
export type Inspect = (der: Uint8Array) => Inspected | undefined;

/** `ignore`: a certificate's dates mean nothing, since nodes have no right clock. `enforce`: they count. */
export type Validity = 'ignore' | 'enforce';

/** The holder of a certificate that is good. */
export interface Member {
  /** SHA-256 of the key's SPKI, as a ServerId is made. */
  readonly id: ManagerId;
  readonly publicKey: Uint8Array;
  readonly roles: readonly Role[];
  readonly uris: readonly string[];
  readonly subject: string;
  /** As `canonicalSerial` writes it. */
  readonly serial: string;
}

/** Why a certificate is not good. */
export interface Fault {
  readonly code: 'unreadable' | 'not-issued' | 'no-member' | 'revoked' | 'out-of-time';
  readonly sentence: string;
}

export type Judgement = { readonly member: Member } | { readonly fault: Fault };

export interface Trust {
  /** Judges a certificate in DER. Costs a signature check the first time, and a look-up while it is remembered. */
  judge(der: Uint8Array): Judgement;
}

export interface TrustOptions {
  readonly inspect: Inspect;
  readonly identify: (publicKey: Uint8Array) => ManagerId;
  /** Canonical serial numbers that were revoked. */
  readonly revoked: ReadonlySet<string>;
  readonly validity: Validity;
  /** The present by this host's clock; asked only when dates count. */
  readonly today: () => Date;
}

/** Good judgements that are remembered: bad ones come from strangers, who would push out the good. */
const REMEMBERED = 1024;

/** Trust in one authority, with one list of revoked certificates; a new list makes a new one. */
export function trustOf({ inspect, identify, revoked, validity, today }: TrustOptions): Trust {
  const known = new Map<string, Inspected>();

  const read = (der: Uint8Array): Inspected | undefined => {
    const key = String.fromCharCode(...der);
    const before = known.get(key);
    if (before !== undefined) return before;
    const inspected = inspect(der);
    if (inspected?.issued === true) {
      if (known.size >= REMEMBERED) known.delete(known.keys().next().value!);
      known.set(key, inspected);
    }
    return inspected;
  };

  return {
    judge(der) {
      const found = der.length > LONGEST ? undefined : read(der);
      if (found === undefined) return fault('unreadable', 'it is no X.509 certificate in DER');
      const { subject, publicKey, uris, serial, notBefore, notAfter } = found;
      if (!found.issued) return fault('not-issued', `${subject}: the mission's authority did not issue it`);
      if (found.authority || found.keyType !== 'ed25519')
        return fault('no-member', `${subject}: an authority's own, or its key is not Ed25519`);
      if (revoked.has(canonicalSerial(serial)))
        return fault('revoked', `${subject}: it was revoked (serial number ${serial})`);
      if (validity === 'enforce') {
        const now = today();
        if (now < notBefore || now > notAfter)
          return fault(
            'out-of-time',
            `${subject}: it holds from ${day(notBefore)} to ${day(notAfter)}, and by this host's clock it is ${day(now)}`,
          );
      }
      const { roles } = credentialsOf(uris);
      return {
        member: {
          id: identify(publicKey),
          publicKey,
          roles,
          uris,
          subject,
          serial: canonicalSerial(serial),
        },
      };
    },
  };
}

/** Bytes; what goes over the wire has no more. */
const LONGEST = 2048;

const fault = (code: Fault['code'], sentence: string): Judgement => ({ fault: { code, sentence } });
const day = (date: Date): string => date.toISOString().slice(0, 10);
