/** Each carrier's decoder and encoder under one shape, for tests that go over all vectors. */
import { decodeAnycast, encodeAnycast } from '../../sdk/wire/anycast.ts';
import { type ArpFrame, decodeArp, encodeArp } from '../../sdk/wire/arp.ts';
import { decodeLease, encodeLease, leaseToSign } from '../../sdk/wire/lease.ts';
import type { AnycastMessage, NoticeMessage, RegistrationMessage } from '../../sdk/wire/messages.ts';
import type { Lease } from '../../sdk/wire/model.ts';
import { decodeNotice, encodeNotice } from '../../sdk/wire/notices.ts';
import type { PollMessage } from '../../sdk/wire/poll-messages.ts';
import { decodePoll, encodePoll } from '../../sdk/wire/polls.ts';
import { decodeRegistration, encodeRegistration } from '../../sdk/wire/registration.ts';
import type { Carrier } from './vectors.ts';

type FrameValue = Omit<ArpFrame, 'message'> & { readonly message?: AnycastMessage };

/** What the bytes say; throws WireError. Frames with their message decoded; `undefined` = not for us. */
export function decodeCarrier(carrier: Carrier, bytes: Uint8Array): unknown {
  switch (carrier) {
    case 'registration':
      return decodeRegistration(bytes);
    case 'anycast':
      return decodeAnycast(bytes);
    case 'notice':
      return decodeNotice(bytes);
    case 'poll':
      return decodePoll(bytes);
    case 'lease':
      return decodeLease(bytes);
    case 'lease-to-sign':
      throw new Error('signed bytes are only written');
    case 'frame': {
      const frame = decodeArp(bytes);
      return frame?.message ? { ...frame, message: decodeAnycast(frame.message) } : frame;
    }
  }
}

export function encodeCarrier(carrier: Carrier, value: unknown): Uint8Array {
  switch (carrier) {
    case 'registration':
      return encodeRegistration(value as RegistrationMessage);
    case 'anycast':
      return encodeAnycast(value as AnycastMessage);
    case 'notice':
      return encodeNotice(value as NoticeMessage);
    case 'poll':
      return encodePoll(value as PollMessage);
    case 'lease':
      return encodeLease(value as Lease);
    case 'lease-to-sign':
      return leaseToSign(value as Lease);
    case 'frame': {
      const { message, ...frame } = value as FrameValue;
      return encodeArp(message ? { ...frame, message: encodeAnycast(message) } : frame);
    }
  }
}
