import { expect, test } from 'vitest';
import { createJournal } from '../../../appliance/operator/journal.ts';
import { logDecision } from '../../../appliance/operator/log.ts';
import { createProblems } from '../../../appliance/operator/problems.ts';
import { webAnswer } from '../../../appliance/operator/web.ts';
import { Registry } from '../../support/registry.ts';
import { virtualWorld } from '../../support/virtual.ts';

function sight() {
  const { clock } = virtualWorld();
  const registry = new Registry();
  registry.serve(1);
  registry.verdict(1, 'pass');
  const journal = createJournal(clock);
  const problems = createProblems(journal.note);
  const state = { serves: false };
  const get = (path: string) =>
    webAnswer(
      {
        ...{ derived: () => registry.derived, now: () => 0, journal, families: () => [], problems },
        serves: () => state.serves,
      },
      path,
    );
  return { get, problems, state, registry };
}

test('ready once it serves, and not before', () => {
  const { get, state } = sight();
  expect(get('/readyz')).toMatchObject({ status: 503, body: 'the manager has not come up yet\n' });
  state.serves = true;
  expect(get('/readyz')).toMatchObject({ status: 200, body: 'ready\n' });
});

test('a farm or a route that cannot be had is named, counted, and leaves the daemon ready', () => {
  const { get, state, problems, registry } = sight();
  state.serves = true;
  problems.note('dataplane', ['farm 10.0.0.1|tcp|80-80: more than 2048 members']);
  problems.note('routing', ['ospfd: not reached', 'zebra: not reached']);
  expect(get('/readyz')).toMatchObject({
    status: 200,
    body: expect.stringMatching(/^ready\ndegraded: farm 10\.0\.0\.1\|tcp\|80-80: more than 2048 members\n/),
  });
  const { body } = get('/metrics');
  expect(body).toContain('bivouac_problems{part="dataplane"} 1\nbivouac_problems{part="routing"} 2\n');
  expect(body).toContain('bivouac_farms{state="wanted"} 1\nbivouac_farms{state="carried"} 0\n');
  problems.note('routing', []);
  registry.settle();
  expect(get('/metrics').body).toContain('bivouac_problems{part="routing"} 0\n');
  expect(get('/metrics').body).toContain('bivouac_farms{state="carried"} 1\n');
});

test('not ready while nothing at all can be forwarded', () => {
  const { get, state, problems } = sight();
  state.serves = true;
  problems.note('dataplane', ["the table 'inet bivouac' could not be set up: no permission"]);
  expect(get('/readyz')).toMatchObject({ status: 503, body: expect.stringContaining('no permission') });
});

test('that a VIP is in conflict is an error in the log, its end a notice', () => {
  const { log } = virtualWorld();
  for (const code of ['began', 'over'])
    logDecision(log, { kind: 'vip-conflict', reason: { code, sentence: 'it' } });
  expect(log.of('vip-conflict').map(({ level }) => level)).toEqual(['error', 'notice']);
});
