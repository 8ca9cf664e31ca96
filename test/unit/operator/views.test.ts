import { expect, test } from 'vitest';
import { formatTable } from '../../../appliance/commands/show.ts';
import { type Acts, answer } from '../../../appliance/operator/local.ts';
import { counterOf, familiesOf, renderMetrics } from '../../../appliance/operator/metrics.ts';
import { age, type Sight, VIEWS } from '../../../appliance/operator/views.ts';
import { Registry } from '../../support/registry.ts';

function sight(): { sight: Sight; vip: string } {
  const registry = new Registry();
  const vip = registry.serve(1);
  registry.verdict(1, 'pass');
  registry.settle();
  registry.serve(2);
  registry.now = 120_000;
  registry.verdict(2, 'fail');
  return {
    vip,
    sight: {
      ...{ derived: registry.derived, now: 300_000, entries: [], health: [], problems: [] },
      conflicts: [],
      peers: [],
      hosts: [],
      routing: undefined,
    },
  };
}

test('services are shown with their state, since when, and why', () => {
  const rows = VIEWS.services(sight().sight);
  expect(rows.find(row => row.server === 's2')).toMatchObject({
    state: 'down',
    for: '3 min',
    reason: 'check fail',
    score: 0,
  });
  expect(rows.find(row => row.server === 's1')).toMatchObject({ state: 'up', ports: 'tcp/80', score: 1000 });
});

test('vips, leases and routes are shown', () => {
  const { sight: seen, vip } = sight();
  expect(VIEWS.vips(seen)).toEqual([
    {
      vip,
      where: 'here (2 servers)',
      score: 500,
      servers: 2,
      up: 1,
      route: 'out',
      names: 'www.mission',
      alarm: '',
    },
  ]);
  const conflicts = [{ vip, mac: '02:00:00:00:00:99', link: 'lan0' }];
  expect(VIEWS.vips({ ...seen, conflicts })[0]!.alarm).toBe('02:00:00:00:00:99 on lan0 claims it');
  expect(
    VIEWS.leases(seen)
      .map(row => row.holder)
      .sort(),
  ).toEqual(['s1', 's2']);
  expect(VIEWS.routes(seen)).toEqual([{ vip, metric: 20, state: 'out', advertised: '', reason: '' }]);
});

test('what the data plane refuses shows at the service, and at what routing found the route', () => {
  const { sight: seen, vip } = sight();
  const problems = [`farm ${vip}|tcp|80-80: more than 2048 members`, 'the table could not be set up'];
  const refused = VIEWS.services({ ...seen, problems });
  expect(refused[0]!.reason).toBe('not forwarded: more than 2048 members');
  const neighbour = {
    router: '10.0.0.9',
    address: '10.1.1.9',
    interface: 'eth1',
    state: 'Full',
    sinceMs: 5000,
  };
  const routing = {
    neighbours: [neighbour],
    routes: [{ vip, advertised: true }],
    conflicts: [{ vip, reason: 'another way' }],
    problems: ['ospfd: not reached'],
  };
  expect(VIEWS.routes({ ...seen, routing })).toEqual([
    { vip, metric: 20, state: 'out', advertised: 'yes', reason: 'another way' },
  ]);
  expect(VIEWS.neighbours({ ...seen, routing })).toEqual([
    { router: '10.0.0.9', address: '10.1.1.9', interface: 'eth1', state: 'Full', for: '5 s', bfd: '' },
  ]);
  expect(VIEWS.problems({ ...seen, problems, routing }).map(row => row.problem)).toEqual([
    ...problems,
    'ospfd: not reached',
  ]);
});

const acts: Acts = {
  override(name, to) {
    if (name === 'nobody') throw new Error('nobody is no name');
    return [{ name, to: to.join() }];
  },
};

test('the local socket does what it is told, or says why not', async () => {
  const look = async (): Promise<Sight> => sight().sight;
  expect(await answer('{"do":"override","name":"www.m","to":["cell-b"]}', look, acts)).toEqual({
    rows: [{ name: 'www.m', to: 'cell-b' }],
  });
  for (const line of [
    '{"do":"reboot","name":"www.m","to":[]}',
    '{"do":"override","to":["a"]}',
    '{"do":"override","name":"www.m"}',
    '{"do":"override","name":"www.m","to":[7]}',
    '{"do":"override","name":"nobody","to":["a"]}',
  ])
    await expect(answer(line, look, acts), line).rejects.toThrow(/override|nobody/);
});

test('the local socket answers with rows or says what there is', async () => {
  const look = async (): Promise<Sight> => sight().sight;
  expect(await answer('{"show":"servers"}', look, acts)).toHaveProperty('rows.length', 2);
  expect(await answer('{"show":"constructor"}', look, acts)).toHaveProperty(
    'error',
    expect.stringContaining('one of servers'),
  );
  const entry = (number: number) => ({
    ...{ number, at: 'now', time: 0 },
    decision: { kind: 'stopping', reason: { code: `${number}`, sentence: '' } } as const,
  });
  const entries = async (): Promise<Sight> => ({ ...sight().sight, entries: [entry(7), entry(8), entry(9)] });
  expect(await answer('{"show":"events","since":7}', entries, acts)).toMatchObject({
    rows: [{ code: '8' }, { code: '9' }],
    next: 9,
  });
  expect(await answer('{"show":"events","since":"x"}', entries, acts)).toHaveProperty('rows.length', 3);
  expect(await answer('{"show":"events","since":10}', entries, acts)).toEqual({ rows: [], next: 9 });
  for (const line of ['nonsense', 'null', '7', '[]', '{"show":null}'])
    expect(await answer(line, look, acts), line).toHaveProperty('error');
});

test('metrics are Prometheus’ text, labels escaped', () => {
  const text = renderMetrics([
    ...familiesOf(sight().sight.derived, 0),
    counterOf('bivouac_x_total', 'X.', ['kind'], new Map([['a"b', 2]])),
  ]);
  expect(text).toContain('bivouac_servers{session="connected"} 2\n');
  expect(text).toContain('bivouac_x_total{kind="a\\"b"} 2\n');
  expect(text).toMatch(/# TYPE bivouac_vip_score gauge\nbivouac_vip_score\{vip="10\.255\.0\.\d+"\} 500\n/);
});

test('ages read as people say them', () => {
  expect([500, 119_000, 600_000, 10_800_000, 400_000_000].map(age)).toEqual([
    '1 s',
    '119 s',
    '10 min',
    '3 h',
    '5 d',
  ]);
});

test('tables are aligned', () => {
  expect(
    formatTable([
      { a: 'long value', b: 1 },
      { a: 'x', b: 22 },
    ]),
  ).toBe('A           B\nlong value  1\nx           22');
  expect(formatTable([])).toBe('nothing');
});
