/** Whatever can be said arrives as it was said, and is written in one way only. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeAnycast, encodeAnycast } from '../../../sdk/wire/anycast.ts';
import { decodeLease, encodeLease } from '../../../sdk/wire/lease.ts';
import { decodeNotice, encodeNotice } from '../../../sdk/wire/notices.ts';
import { decodePoll, encodePoll } from '../../../sdk/wire/polls.ts';
import { decodeRegistration, encodeRegistration } from '../../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../../sdk/wire/stream.ts';
import {
  anycastMessage,
  lease,
  noticeMessage,
  pollMessage,
  registrationMessage,
} from '../../support/arbitraries.ts';

test('a registration message is read as it was written', () => {
  fc.assert(
    fc.property(registrationMessage, message => {
      const bytes = encodeRegistration(message);
      const read = decodeRegistration(bytes);
      expect(read).toEqual(message);
      expect(encodeRegistration(read)).toEqual(bytes);
    }),
    { numRuns: 400 },
  );
});

test('an anycast message is read as it was written', () => {
  fc.assert(
    fc.property(anycastMessage, message => {
      const bytes = encodeAnycast(message);
      const read = decodeAnycast(bytes);
      expect(read).toEqual(message);
      expect(encodeAnycast(read)).toEqual(bytes);
    }),
    { numRuns: 400 },
  );
});

test('a notice is read as it was written', () => {
  fc.assert(
    fc.property(noticeMessage, message => {
      const bytes = encodeNotice(message);
      const read = decodeNotice(bytes);
      expect(read).toEqual(message);
      expect(encodeNotice(read)).toEqual(bytes);
    }),
    { numRuns: 400 },
  );
});

test('a poll is read as it was written', () => {
  fc.assert(
    fc.property(pollMessage, message => {
      const bytes = encodePoll(message);
      const read = decodePoll(bytes);
      expect(read).toEqual(message);
      expect(encodePoll(read)).toEqual(bytes);
    }),
    { numRuns: 400 },
  );
});

test('a stored lease is read as it was written', () => {
  fc.assert(
    fc.property(lease, value => {
      expect(decodeLease(encodeLease(value))).toEqual(value);
    }),
  );
});

test('a stream gives the same messages however it is cut', () => {
  const cuts = fc.array(fc.nat({ max: 300 }), { maxLength: 60 });
  fc.assert(
    fc.property(fc.array(registrationMessage, { minLength: 1, maxLength: 5 }), cuts, (messages, sizes) => {
      const stream = Uint8Array.from(messages.flatMap(message => [...encodeRegistration(message)]));
      const parser = new RegistrationParser();
      const read = [];
      let at = 0;
      for (const size of [...sizes, stream.length]) {
        // Overwritten behind the parser's back, as a reused receive buffer would be.
        const chunk = stream.slice(at, at + size);
        read.push(...parser.push(chunk));
        chunk.fill(0xee);
        at += size;
      }
      expect(read).toEqual(messages);
      expect(parser.buffered).toBe(0);
    }),
    { numRuns: 200 },
  );
});
