import { describe, expect, it } from 'vitest';
import { Resolver } from '../../../sdk/client/resolver.ts';
import { type Change, refreshAfter, type WatchOptions } from '../../../sdk/client/watch.ts';
import type { AnsweredServer } from '../../../sdk/wire/model.ts';
import { answerTo, anycastManager, server, World } from './world.ts';

/** Watches in virtual time; `servers` is what the manager answers now, undefined = it is silent. */
async function scene(options: WatchOptions = {}) {
  const world = new World();
  const state: { servers: readonly AnsweredServer[] | undefined } = { servers: [server('10.0.0.21', 900)] };
  const queries = await anycastManager(world.manager, query =>
    state.servers === undefined ? [] : [answerTo(query, state.servers, { validity: 1000 })],
  );
  const controller = new AbortController();
  const resolver = new Resolver({
    environment: world.environment(),
    via: '10.0.0.1',
    timeout: 50,
    retries: 0,
  });
  const changes: Change[] = [];
  const times: number[] = [];
  const ended = (async () => {
    for await (const change of resolver.watch({}, { ...options, signal: controller.signal })) {
      changes.push(change);
      times.push(world.clock.now());
    }
  })();
  return { world, state, queries, controller, changes, times, ended };
}

describe('watch', () => {
  it('yields what is there, then changes only, asking again before the validity ends', async () => {
    const { world, state, queries, changes } = await scene();
    await world.clock.advance(10_000);
    expect(changes.length).toBe(1);
    expect(changes[0]).toMatchObject({ added: [{ address: '10.0.0.21' }], removed: [], changed: [] });
    expect(queries.length).toBeGreaterThanOrEqual(13);
    expect(queries.length).toBeLessThanOrEqual(21);
    state.servers = [server('10.0.0.22', 500), server('10.0.0.21', 200)];
    await world.clock.advance(900);
    expect(changes[1]).toMatchObject({
      servers: [{ address: '10.0.0.22' }, { address: '10.0.0.21' }],
      added: [{ address: '10.0.0.22' }],
      changed: [{ address: '10.0.0.21', score: 200 }],
    });
    state.servers = [server('10.0.0.22', 500)];
    await world.clock.advance(900);
    expect(changes[2]).toMatchObject({ removed: [{ address: '10.0.0.21' }] });
  });

  it('keeps a known answer while it holds, and not a moment longer', async () => {
    const { world, state, changes, times } = await scene();
    await world.clock.advance(1);
    state.servers = undefined;
    await world.clock.advance(3000);
    expect(changes.length).toBe(2);
    expect(changes[1]).toMatchObject({ servers: [], answer: undefined, error: { code: 'ETIMEOUT' } });
    expect(times[1]).toBeGreaterThanOrEqual(1000);
    expect(times[1]).toBeLessThan(1060);
    state.servers = [server('10.0.0.21', 900)];
    await world.clock.advance(6000);
    expect(changes[2]).toMatchObject({ added: [{ address: '10.0.0.21' }], error: undefined });
  });

  it('takes a small move of a score for none when told so, but never one to or from 0', async () => {
    const { world, state, changes } = await scene({ tolerance: 100 });
    await world.clock.advance(1000);
    state.servers = [server('10.0.0.21', 850)];
    await world.clock.advance(1000);
    expect(changes.length).toBe(1);
    state.servers = [server('10.0.0.21', 50)];
    await world.clock.advance(1000);
    state.servers = [server('10.0.0.21', 0)];
    await world.clock.advance(1000);
    expect(changes.map(change => change.servers[0]!.score)).toEqual([900, 50, 0]);
  });

  it('ends when its signal is aborted, and leaves no timer', async () => {
    const { world, controller, ended } = await scene();
    await world.clock.advance(500);
    controller.abort();
    await ended;
    expect(world.clock.timers).toBe(0);
  });

  it('spreads its refreshes over half to four fifths of the validity', () => {
    expect([refreshAfter(1000, 0), refreshAfter(1000, 0.999)]).toEqual([500, expect.closeTo(799.7)]);
    expect(refreshAfter(0, 0)).toBe(100);
  });
});
