/** How a manager is asked: where, how often, and until when. */
import { expect, test } from 'vitest';
import { Questions } from '../../../appliance/notices/questions.ts';
import { Counters } from '../../../appliance/notifier/counters.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { NoticeMessage } from '../../../sdk/wire/messages.ts';
import type { ManagerId } from '../../../sdk/wire/model.ts';
import { decodeNotice } from '../../../sdk/wire/notices.ts';
import { virtualWorld } from '../../support/virtual.ts';
import { certificateOf, newSigner } from './world.ts';

const MANAGER = 'ab'.repeat(32) as ManagerId;
const PLACES = ['10.0.0.1', '10.9.0.1'].map(text => ({ address: address(text), port: 9748 }));

function asking(times: number) {
  const { clock, random } = virtualWorld();
  const signer = newSigner();
  const sent: { readonly to: string; readonly at: number; readonly nonce: Uint8Array }[] = [];
  const questions = new Questions({
    ...{ clock, random, signer, certificate: certificateOf(signer), counters: new Counters() },
    questionFor: () => ({ places: PLACES, since: 7, boot: 3, times }),
    send(bytes, _port, to) {
      const { nonce } = decodeNotice(bytes) as Extract<NoticeMessage, { type: 'repair' }>;
      sent.push({ to, at: clock.now(), nonce });
    },
    tell() {},
  });
  return { clock, questions, sent };
}

test('asked at each place in turn, ever more slowly, so many times', () => {
  const { clock, questions, sent } = asking(6);
  questions.ask(MANAGER, 5);
  questions.ask(MANAGER, 0);
  clock.advanceSync(60_000);
  expect(sent.map(({ to }) => to)).toEqual(Array.from({ length: 6 }, (_, at) => PLACES[at % 2]!.address));
  const waits = sent.slice(1).map(({ at }, index) => at - sent[index]!.at);
  for (const [index, wait] of waits.entries()) {
    expect(wait).toBeGreaterThanOrEqual(100 * 2 ** index);
    expect(wait).toBeLessThanOrEqual(200 * 2 ** index);
  }
  questions.ask(MANAGER, 0);
  clock.advanceSync(1);
  expect(sent).toHaveLength(7);
});

test('while an answer comes in parts the next question waits', () => {
  const { clock, questions, sent } = asking(3);
  questions.ask(MANAGER, 0);
  clock.advanceSync(1);
  for (let part = 0; part < 20; part++) {
    questions.progress(MANAGER);
    clock.advanceSync(100);
  }
  expect(sent).toHaveLength(1);
  clock.advanceSync(400);
  expect(sent).toHaveLength(2);
});

test('an answer counts for its question alone, and for five seconds', () => {
  const { clock, questions, sent } = asking(1);
  questions.ask(MANAGER, 0);
  clock.advanceSync(1);
  const { nonce } = sent[0]!;
  expect(questions.answers(nonce, MANAGER)).toBe(true);
  expect(questions.answers(nonce, 'cd'.repeat(32) as ManagerId)).toBe(false);
  expect(questions.answers(new Uint8Array(8), MANAGER)).toBe(false);
  clock.advanceSync(5000);
  expect(questions.answers(nonce, MANAGER)).toBe(false);
});

test('once dropped, or closed, nothing is asked', () => {
  const { clock, questions, sent } = asking(3);
  questions.ask(MANAGER, 10);
  questions.drop(MANAGER);
  questions.ask(MANAGER, 10);
  questions.close();
  clock.advanceSync(10_000);
  expect(sent).toEqual([]);
  expect(clock.timers).toBe(0);
});
