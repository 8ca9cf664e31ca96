import { expect, test } from 'vitest';
import { createProblems, farmProblems } from '../../../appliance/operator/problems.ts';
import type { Decision } from '../../../appliance/registry/decision.ts';

test('each problem is told of when it comes and when it is over, and not in between', () => {
  const told: Decision[] = [];
  const problems = createProblems(decision => told.push(decision));
  const news = (): string[] =>
    told.splice(0).map(({ kind, name, reason }) => `${kind} ${name} ${reason.sentence}`);
  problems.note('dataplane', ['a', 'b']);
  expect(news()).toEqual(['not-reached dataplane a', 'not-reached dataplane b']);
  problems.note('routing', ['c']);
  problems.note('dataplane', ['b']);
  expect(news()).toEqual(['not-reached routing c', 'reached-again dataplane over: a']);
  problems.note('dataplane', ['b']);
  expect(news()).toEqual([]);
  expect(problems.all()).toEqual(['b', 'c']);
});

test('the sentences of farms are found by their keys', () => {
  expect([...farmProblems(['farm 10.0.0.1|tcp|80-80: no: really', 'the table is gone'])]).toEqual([
    ['10.0.0.1|tcp|80-80', 'no: really'],
  ]);
});
