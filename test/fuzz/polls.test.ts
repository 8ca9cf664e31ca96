/** Polls that nobody meant, to a manager that answers and to a GSLB that asks: nothing throws, and nobody gets more than it sent. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Poller } from '../../appliance/gslb/poller.ts';
import { verify } from '../../appliance/host/keys.ts';
import { PollAnswerer } from '../../appliance/polls/answerer.ts';
import { Table } from '../../appliance/registry/table.ts';
import { address } from '../../sdk/wire/address.ts';
import { encodePoll } from '../../sdk/wire/polls.ts';
import { pollMessage } from '../support/arbitraries.ts';
import { seededRandom, VirtualClock } from '../support/virtual.ts';
import { certificateOf, newSigner, trust } from '../unit/notices/world.ts';

const BUDGET = 4_000;
const mutants = fc
  .tuple(pollMessage, fc.array(fc.tuple(fc.nat(1300), fc.nat(255)), { maxLength: 4 }))
  .map(([message, changes]) => {
    const bytes = encodePoll(message);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return bytes;
  });

test('a manager answers strangers with no more than they sent', () => {
  const clock = new VirtualClock();
  const signer = newSigner();
  const answerer = new PollAnswerer({
    ...{ clock, random: seededRandom(3), signer, verify },
    ...{ trust: () => trust(), certificate: () => certificateOf(signer) },
    ...{ offers: () => Table.empty(), score: () => 0, links: () => [], paths: () => [] },
  });
  let asked = 0;
  fc.assert(
    fc.property(mutants, bytes => {
      let given = 0;
      answerer.receive(bytes, address(`10.0.${asked % 200}.1`), reply => {
        given += reply.length;
      });
      expect(given).toBeLessThanOrEqual(bytes.length);
      asked++;
    }),
    { numRuns: 3000, interruptAfterTimeLimit: BUDGET },
  );
  expect(asked).toBeGreaterThan(500);
});

test('a GSLB believes none of it', () => {
  const clock = new VirtualClock();
  const signer = newSigner();
  let events = 0;
  const poller = new Poller({
    ...{ clock, random: seededRandom(4), signer, verify, interval: 1000 },
    ...{ trust: () => trust(), certificate: () => certificateOf(signer) },
    send: () => {},
    emit: () => void events++,
  });
  poller.want(newSigner().id, [address('10.0.0.1')], 9747);
  fc.assert(
    fc.property(mutants, bytes => poller.receive(bytes, address('10.0.0.1'))),
    { numRuns: 3000, interruptAfterTimeLimit: BUDGET },
  );
  expect(events).toBe(0);
  poller.close();
});
