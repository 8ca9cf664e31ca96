import { describe, expect, it } from 'vitest';
import { type Candidate, candidatesOf, type PickOptions } from '../../../sdk/client/pick.ts';
import { Resolver } from '../../../sdk/client/resolver.ts';
import type { AnsweredServer } from '../../../sdk/wire/model.ts';
import { answerTo, anycastManager, server, World } from './world.ts';

async function scene(servers: readonly AnsweredServer[], validity = 30_000) {
  const world = new World();
  await anycastManager(world.manager, query => [answerTo(query, servers, { validity })]);
  const resolver = new Resolver({ environment: world.environment(), via: '10.0.0.1' });
  const tried: string[] = [];
  const dial =
    (refusing: readonly string[]) =>
    ({ address, port }: Candidate): Promise<string> => {
      tried.push(`${address}:${port}`);
      return refusing.includes(address) ? Promise.reject(new Error('refused')) : Promise.resolve(address);
    };
  const pick = (options: PickOptions<string>) =>
    world.clock.runToEnd(resolver.pick<string>({ protocol: 'h323' }, options));
  return { world, tried, dial, pick };
}

const three = [server('10.0.0.21', 900), server('10.0.0.22', 400), server('10.0.0.23', 100)];

describe('pick', () => {
  it('connects to the best server', async () => {
    const { pick, dial, tried } = await scene(three);
    const picked = await pick({ dial: dial([]) });
    expect(picked).toMatchObject({ address: '10.0.0.21', port: 1720, socket: '10.0.0.21' });
    expect(picked.service.protocol).toBe('h323');
    expect(tried).toEqual(['10.0.0.21:1720']);
  });

  it('goes on to the next ones when the best does not connect', async () => {
    const { pick, dial } = await scene(three);
    expect((await pick({ dial: dial(['10.0.0.21', '10.0.0.22']) })).address).toBe('10.0.0.23');
  });

  it('rejects with ECONNECT and every reason when none connects', async () => {
    const { pick, dial } = await scene(three);
    await expect(pick({ dial: dial(three.map(one => one.address)) })).rejects.toMatchObject({
      code: 'ECONNECT',
      errors: [{ message: 'refused' }, { message: 'refused' }, { message: 'refused' }],
    });
  });

  it('gives up after connectTimeout', async () => {
    const { pick, world } = await scene(three);
    const never = () => new Promise<string>(() => {});
    await expect(pick({ dial: never, connectTimeout: 3000 })).rejects.toMatchObject({ code: 'ECONNECT' });
    expect(world.clock.now()).toBeCloseTo(3000.4);
    expect(world.clock.timers).toBe(0);
  });

  it('rejects with ENOTFOUND when nothing healthy matches', async () => {
    const { pick, dial } = await scene([]);
    await expect(pick({ dial: dial([]) })).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  it('never acts on an answer that is over', async () => {
    const { pick, dial, tried } = await scene(three, 0);
    await expect(pick({ dial: dial([]) })).rejects.toMatchObject({ code: 'ESTALE' });
    expect(tried).toEqual([]);
  });

  it('makes no attempt for UDP services, nor when told not to', async () => {
    const udp = three.map(one => ({
      ...one,
      services: one.services.map(service => ({ ...service, transport: 'udp' as const })),
    }));
    const first = await scene(udp);
    expect(await first.pick({})).toMatchObject({ address: '10.0.0.21', socket: undefined });
    const second = await scene(three);
    expect(await second.pick({ connect: false, dial: second.dial([]) })).toMatchObject({
      address: '10.0.0.21',
      socket: undefined,
    });
    expect(second.tried).toEqual([]);
  });

  it('takes the best service of a server, at the port that was asked for', () => {
    const [one] = three;
    const services = [
      { ...one!.services[0]!, score: 100, ports: [{ first: 80, last: 80 }] },
      { ...one!.services[0]!, score: 500, ports: [{ first: 5000, last: 5100 }] },
    ];
    const answer = { servers: [{ ...one!, services }] } as unknown as Parameters<typeof candidatesOf>[0];
    expect(candidatesOf(answer, { ports: 5050 })[0]!.port).toBe(5050);
    expect(candidatesOf(answer, {})[0]!.port).toBe(5000);
    expect(candidatesOf(answer, { ports: 9 })[0]!.port).toBe(5000);
  });
});
