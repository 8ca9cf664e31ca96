/**
 * Notices that nobody meant, to managers that listen: mutants of real ones, and what a manager of the mission signs that has lost its
 * mind. Nothing throws, nothing grows past its limit, and the next good notice is heard.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { address } from '../../sdk/wire/address.ts';
import type { NoticeMessage } from '../../sdk/wire/messages.ts';
import { encodeNotice } from '../../sdk/wire/notices.ts';
import { appendSignature, signedPart } from '../../sdk/wire/signing.ts';
import { noticeMessage } from '../support/arbitraries.ts';
import { virtualWorld } from '../support/virtual.ts';
import { binding, certificateOf, GROUP, Manager, PORT, wanted } from '../unit/notices/world.ts';

const BUDGET = 6_000;

async function scene() {
  const world = virtualWorld({ seed: 7 });
  const a = await new Manager(world, 'a', '10.0.0.1').start();
  const b = await new Manager(world, 'b', '10.0.0.2').start({ limits: { peers: 4, bindings: 100 } });
  a.announce([binding(1), binding(2)]);
  await world.clock.advance(500);
  const host = world.network.host('mallory', '10.0.0.66');
  const captured: Uint8Array[] = [];
  const socket = await host.net.datagram(
    { address: address('0.0.0.0'), port: PORT, groups: [GROUP] },
    bytes => void captured.push(bytes),
    () => {},
  );
  return { world, a, b, captured, send: (bytes: Uint8Array) => socket.send(bytes, PORT, GROUP) };
}

test('mutants of real messages', async () => {
  const { world, a, b, captured, send } = await scene();
  for (let round = 0; round < 6; round++) {
    a.announce([binding(1, { epoch: round + 2 }), binding(2)]);
    await world.clock.advance(500);
  }
  const seeds = [...captured];
  const change = fc.tuple(fc.nat(1300), fc.nat(255));
  let sent = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(change, { minLength: 1, maxLength: 5 }),
      (seed, changes) => {
        const mutant = Uint8Array.from(seed);
        for (const [at, value] of changes) mutant[at % mutant.length] = value;
        send(mutant);
        world.clock.advanceSync(1);
        sent++;
      },
    ),
    { numRuns: 3000, interruptAfterTimeLimit: BUDGET },
  );
  expect(sent).toBeGreaterThan(500);
  expect(b.believes(a)).toEqual([...wanted([1], 7), ...wanted([2])]);
  await world.clock.advance(12_000);
  a.announce([binding(3)]);
  await world.clock.advance(2000);
  expect(b.believes(a)).toEqual(wanted([3]));
});

test('what a member signs that has lost its mind', async () => {
  const { world, a, b, send } = await scene();
  const mad = await new Manager(world, 'mad', '10.0.0.5').start();
  await world.clock.advance(500);
  let sent = 0;
  fc.assert(
    fc.property(noticeMessage, fc.boolean(), (message, known) => {
      const { signature: _, ...unsigned } = message as NoticeMessage & { signature: Uint8Array };
      const fields =
        unsigned.type === 'repair'
          ? { manager: b.signer.id, certificate: certificateOf(mad.signer) }
          : { manager: mad.signer.id, ...(known && { boot: 1 }) };
      const bytes = encodeNotice({ ...unsigned, ...fields } as NoticeMessage);
      send(appendSignature(bytes, mad.signer.sign(signedPart(bytes))));
      world.clock.advanceSync(5);
      sent++;
    }),
    { numRuns: 1500, interruptAfterTimeLimit: BUDGET },
  );
  expect(sent).toBeGreaterThan(200);
  const kept = b.notices.status().reduce((sum, peer) => sum + peer.bindings + peer.offers, 0);
  expect(kept).toBeLessThanOrEqual(100);
  mad.notices.close(false);
  await world.clock.advance(4_000_000);
  a.announce([binding(4)]);
  await world.clock.advance(2000);
  expect(b.believes(a)).toEqual(wanted([4]));
  expect(b.known.has(mad.signer.id)).toBe(false);
});
