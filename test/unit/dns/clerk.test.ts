/** A worker, and the main thread as it sees it: messages go by hand. */
import { expect, test } from 'vitest';
import { LATER } from '../../../appliance/dns/answerer.ts';
import { Authority } from '../../../appliance/dns/authority.ts';
import { Clerk, type FromClerk, MOST_WAITING, type ToClerk } from '../../../appliance/dns/clerk.ts';
import { noCounts } from '../../../appliance/dns/counters.ts';
import { TYPE } from '../../../appliance/dns/numbers.ts';
import { type StartWorker, WorkerPool } from '../../../appliance/dns/workers.ts';
import { hmac } from '../../../appliance/host/keys.ts';
import { decodeDns, dnsQuery } from '../../support/dns.ts';
import { virtualWorld } from '../../support/virtual.ts';
import { OPTIONS, sourceBytes, view } from './support.ts';

const LINES = { 'www.cell': ['A 10.0.0.1', 'east: A 10.1.1.1'], 'ns1.cell': ['A 10.0.0.53'] };
const TOPOLOGY = { '10.1.0.0/16': 'east' };

function start() {
  const { clock, random, log } = virtualWorld();
  const authority = new Authority({ log, seconds: () => 0 });
  const posted: FromClerk[] = [];
  const clerk = new Clerk(
    { clock, random, hmac, seconds: () => 0, post: message => void posted.push(structuredClone(message)) },
    OPTIONS,
  );
  const tell = (message: ToClerk): void => clerk.hear(structuredClone(message));
  authority.subscribe(update => tell({ kind: 'update', update }));
  authority.publish(view(LINES, { topology: TOPOLOGY }));
  const output = new Uint8Array(2048);
  const replies: string[] = [];
  /** The answer at once, 'later', or 'none'. */
  const ask = (name: string, from: string): string => {
    const bytes = dnsQuery(name, TYPE.A);
    const source = sourceBytes(from);
    clerk.begin();
    const length = clerk.answer(bytes, 0, bytes.length, source, 0, output, 0);
    if (length === LATER) {
      clerk.keep({ bytes, source, reply: answer => replies.push(dataOf(answer)) });
      return 'later';
    }
    return length > 0 ? dataOf(output.slice(0, length)) : 'none';
  };
  /** What the main thread does with what was posted. */
  const serve = (): void => {
    for (const message of posted.splice(0)) {
      if (message.kind !== 'ask') continue;
      const { name, type, place } = message;
      tell({ kind: 'finished', name, type, place, answer: authority.finish(name, type, place) });
    }
  };
  return { authority, clerk, posted, ask, serve, replies };
}

const dataOf = (bytes: Uint8Array): string => {
  const { answer, rcode } = decodeDns(bytes);
  return answer[0]?.data ?? `rcode ${rcode}`;
};

test('what it has not it asks for once, and answers all who wait', () => {
  const { ask, posted, serve, replies } = start();
  expect([ask('www.cell', '10.1.0.1'), ask('www.cell', '10.1.0.2'), ask('www.cell', '10.3.0.2')]).toEqual([
    'later',
    'later',
    'later',
  ]);
  expect(posted).toHaveLength(2);
  serve();
  expect(replies).toEqual(['10.1.1.1', '10.1.1.1', '10.0.0.1']);
  expect(ask('www.cell', '10.1.0.3')).toBe('10.1.1.1');
  expect(posted).toHaveLength(0);
});

test('what is not there is known without asking', () => {
  const { ask, posted } = start();
  expect([ask('nobody.cell', '10.1.0.1'), ask('www.elsewhere', '10.1.0.1')]).toEqual(['rcode 3', 'rcode 5']);
  expect(posted).toEqual([]);
});

test('it says what it has done, in a message that can be sent', () => {
  const { ask, clerk, posted } = start();
  ask('nobody.cell', '10.1.0.1');
  ask('www.elsewhere', '10.1.0.1');
  clerk.hear({ kind: 'count' });
  expect(posted).toMatchObject([{ kind: 'counts', counts: { queries: 2, nxdomain: 1, refused: 1 } }]);
});

test('a change drops what was kept', () => {
  const { ask, authority, serve } = start();
  ask('www.cell', '10.1.0.1');
  serve();
  authority.publish(view({ 'www.cell': ['A 10.7.7.7'] }, { topology: TOPOLOGY }));
  expect(ask('www.cell', '10.1.0.1')).toBe('later');
  serve();
  expect(ask('www.cell', '10.1.0.1')).toBe('10.7.7.7');
});

test('a name that went while its answer was under way is answered as gone', () => {
  const { ask, authority, serve, replies } = start();
  ask('www.cell', '10.1.0.1');
  authority.publish(view({ 'ns1.cell': ['A 10.0.0.53'] }, { topology: {} }));
  serve();
  expect(replies).toEqual(['rcode 3']);
});

test('no more wait than there is room for', () => {
  const { ask, posted, replies, serve } = start();
  for (let index = 0; index < MOST_WAITING + 100; index++) ask('www.cell', '10.1.0.1');
  expect(ask('ns1.cell', '10.1.0.1')).toBe('later');
  expect(posted).toHaveLength(1);
  serve();
  expect(replies).toHaveLength(MOST_WAITING);
  expect(ask('ns1.cell', '10.1.0.1')).toBe('later');
  serve();
  expect(replies.at(-1)).toBe('10.0.0.53');
});

test('a worker that ends is started again, told everything, and its counts are not lost', async () => {
  const { clock, log } = virtualWorld();
  const authority = new Authority({ log, seconds: () => 0 });
  authority.publish(view(LINES));
  const started: { posted: ToClerk[]; hear: (message: FromClerk) => void; gone: (reason: string) => void }[] =
    [];
  const startWorker: StartWorker = (hear, gone) => {
    const posted: ToClerk[] = [];
    started.push({ posted, hear, gone });
    const counts = noCounts();
    return Promise.resolve({
      post(message) {
        posted.push(message);
        // The first has told its own; of the others it is seen that they live.
        if (message.kind === 'count' && started.length > 1) hear({ kind: 'counts', counts });
      },
      stop: () => Promise.resolve(),
    });
  };
  const pool = new WorkerPool({ clock, log, authority }, startWorker);
  await pool.open(1);
  started[0]!.hear({ kind: 'counts', counts: { ...pool.counts(), answered: 5 } });
  expect(pool.counts().answered).toBe(5);
  started[0]!.gone('it fell');
  await clock.advance(1000);
  expect(started).toHaveLength(2);
  expect(started[1]!.posted[0]?.kind).toBe('update');
  expect(pool.counts().answered).toBe(5);
  expect(log.of('dns-worker-ended')).toHaveLength(1);
  // One that does not last is not started in a loop; one that did is started at once.
  started[1]!.gone('again');
  expect(pool.ended).toBe(2);
  await clock.advance(199);
  expect(started).toHaveLength(2);
  await clock.advance(1);
  expect(started).toHaveLength(3);
  await clock.advance(40_000);
  started[2]!.gone('after long');
  await clock.advance(1);
  expect(started).toHaveLength(4);
  await pool.close();
  started[3]!.gone('closed');
  await clock.advance(100_000);
  expect([started.length, pool.ended]).toEqual([4, 0]);
});

test('a worker that says nothing any more is ended and replaced', async () => {
  const { clock, log } = virtualWorld();
  const authority = new Authority({ log, seconds: () => 0 });
  const started: { asked: number; stopped: boolean; hear: (message: FromClerk) => void }[] = [];
  const startWorker: StartWorker = hear => {
    const one = { asked: 0, stopped: false, hear };
    started.push(one);
    return Promise.resolve({
      post(message) {
        if (message.kind === 'count') one.asked++;
      },
      stop() {
        one.stopped = true;
        return Promise.resolve();
      },
    });
  };
  const pool = new WorkerPool({ clock, log, authority }, startWorker);
  await pool.open(1);
  for (let minute = 0; minute < 6; minute++) {
    await clock.advance(25_000);
    started[0]!.hear({ kind: 'counts', counts: pool.counts() });
  }
  expect([started.length, started[0]!.stopped]).toEqual([1, false]);
  await clock.advance(50_000);
  expect([started.length, started[0]!.stopped, pool.ended]).toEqual([2, true, 1]);
  expect(log.of('dns-worker-ended')[0]!.fields['reason']).toBe('it did not answer');
  await pool.close();
  await clock.advance(100_000);
  expect(started).toHaveLength(2);
});
