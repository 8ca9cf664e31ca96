import { expect, test } from 'vitest';
import { createChangeMemory } from '../../../appliance/routing/change-file.ts';
import { type Change, reconcile, undo } from '../../../appliance/routing/changes.ts';
import { MemoryFiles } from '../../support/virtual/files.ts';

const lines = (...list: string[]): string => list.map(line => `${line}\n`).join('');
const TIMERS = 'timers throttle spf 0 0 50';
const router = (...under: string[]): string => lines('router ospf', ...under.map(line => ` ${line}`), 'exit');

test('what a line takes the place of is remembered, through any number of reloads, and put back', () => {
  const theirs = router('timers throttle spf 10 20 300', 'redistribute static');
  const first = reconcile(theirs, router(TIMERS), []);
  expect(first.commands).toEqual(['router ospf', TIMERS, 'exit']);
  const was = { path: ['router ospf'], ours: TIMERS, before: 'timers throttle spf 10 20 300' };
  expect(first.changes).toEqual([was]);

  const second = reconcile(router(TIMERS, 'redistribute static'), router('timers throttle spf 0 0 99'), [
    was,
  ]);
  expect(second.commands).toEqual(['router ospf', 'timers throttle spf 0 0 99', 'exit']);
  expect(second.changes).toEqual([{ ...was, ours: 'timers throttle spf 0 0 99' }]);
  const now = router('timers throttle spf 0 0 99', 'redistribute static');
  const back = ['router ospf', 'timers throttle spf 10 20 300', 'exit'];
  expect(undo(now, second.changes)).toEqual(back);
  // The same when a reload wants it no more.
  expect(reconcile(now, '', second.changes)).toEqual({ commands: back, changes: [] });
});

test('what was there as it is wanted is not ours, and stays', () => {
  const theirs = router(TIMERS);
  expect(reconcile(theirs, router(TIMERS), [])).toEqual({ commands: [], changes: [] });
  expect(undo(theirs, [])).toEqual([]);
});

test('a link that OSPF leaves by a reload loses what was set up there, and the others keep it', () => {
  const link = (name: string): string => lines(`interface ${name}`, ' ip ospf area 0.0.0.0', 'exit');
  const both = reconcile('', link('wan0') + link('wan1'), []);
  const one = reconcile(link('wan0') + link('wan1'), link('wan0'), both.changes);
  expect(one.commands).toEqual(['interface wan1', 'no ip ospf area', 'exit']);
  expect(one.changes).toEqual([{ path: ['interface wan0'], ours: 'ip ospf area 0.0.0.0' }]);
});

test('a key that is another goes before the new one comes', () => {
  const link = (key: string): string =>
    lines('interface wan0', ` ip ospf message-digest-key 1 md5 ${key}`, 'exit');
  const { changes } = reconcile('', link('old'), []);
  expect(reconcile(link('old'), link('new'), changes).commands).toEqual([
    ...['interface wan0', 'no ip ospf message-digest-key 1', 'ip ospf message-digest-key 1 md5 new', 'exit'],
  ]);
});

test('a section of ours is taken out as a whole, unless somebody has put a line into it', () => {
  const { changes } = reconcile('', router(TIMERS), []);
  const inside = ['router ospf', 'no timers throttle spf', 'exit'];
  expect(undo(router(TIMERS), changes)).toEqual([...inside, 'no router ospf']);
  expect(undo(router(TIMERS, 'redistribute static'), changes)).toEqual(inside);
});

test('an FRR that was restarted has forgotten ours: it is looked at anew', () => {
  const known: Change[] = [{ path: ['router ospf'], ours: TIMERS, before: 'timers throttle spf 1 2 3' }];
  const { changes } = reconcile(router('timers throttle spf 7 8 9'), router(TIMERS), known);
  expect(changes[0]!.before).toBe('timers throttle spf 7 8 9');
  expect(undo(router('redistribute static'), known)).toEqual([]);
});

test('the memory outlives the process, is gone when there is nothing, and does not trust its file', () => {
  const files = new MemoryFiles();
  const change = { path: ['router ospf'], ours: TIMERS };
  createChangeMemory(files, '/state/frr').put('ospfd', [change]);
  const next = createChangeMemory(files, '/state/frr');
  expect(next.of('ospfd')).toEqual([change]);
  expect(next.daemons()).toEqual(['ospfd']);
  next.put('ospfd', []);
  expect(files.read('/state/frr')).toBeUndefined();
  for (const text of [
    '',
    'nonsense',
    'null',
    '7',
    '[1]',
    '{"ospfd":7}',
    '{"ospfd":[1,null,{"path":[1],"ours":"x"}]}',
  ]) {
    files.write('/state/frr', text);
    expect(createChangeMemory(files, '/state/frr').of('ospfd')).toEqual([]);
  }
});
