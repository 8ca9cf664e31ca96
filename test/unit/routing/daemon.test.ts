import { describe, expect, it } from 'vitest';
import type { OpenVty, VtyReply } from '../../../appliance/host/ports.ts';
import { watchDaemon } from '../../../appliance/routing/daemon.ts';
import { VirtualClock } from '../../support/virtual/clock.ts';
import { recordingLog } from '../../support/virtual/log.ts';

/** Lets promises settle that wait for nothing but each other. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
};

function start(commands: (running: string) => readonly string[]) {
  const clock = new VirtualClock();
  const log = recordingLog();
  const said: string[] = [];
  const world = { up: true, replies: {} as Record<string, VtyReply>, end: (_reason: string) => {} };
  const openVty: OpenVty = async (path, onClose) => {
    if (!world.up) throw new Error(`${path}: connect ENOENT`);
    world.end = onClose;
    return {
      command: async text => {
        said.push(text);
        return world.replies[text] ?? { status: 0, text: '' };
      },
      close: () => {},
    };
  };
  const make = () => watchDaemon({ name: 'ospfd', directory: '/run/frr', commands, openVty, clock, log });
  return { clock, log, said, world, make };
}

describe('a daemon of FRR', () => {
  it('is told what its running configuration lacks, and nothing more', async () => {
    const { said, world, make, log } = start(running =>
      running === 'has it\n' ? [] : ['router ospf', 'exit'],
    );
    const daemon = make();
    await settle();
    expect(said).toEqual([
      'enable',
      'show running-config',
      'configure terminal',
      'router ospf',
      'exit',
      'end',
    ]);
    expect(daemon.problem).toBeUndefined();
    expect(log.of('frr-ready').length).toBe(1);

    said.length = 0;
    world.replies['show running-config'] = { status: 0, text: 'has it\n' };
    make();
    await settle();
    expect(said).toEqual(['enable', 'show running-config']);
  });

  it('that is not there is tried again, ever slower, and configured when it comes', async () => {
    const { clock, world, make, log, said } = start(() => ['router ospf']);
    world.up = false;
    const daemon = make();
    await settle();
    expect(daemon.problem).toBe('ospfd: /run/frr/ospfd.vty: connect ENOENT');
    await expect(daemon.show('show ip ospf')).rejects.toThrow('ENOENT');
    for (let tries = 0; tries < 20; tries++) {
      await clock.advance(5_000);
      await settle();
    }
    expect(log.of('frr-unreachable').length).toBe(1);
    world.up = true;
    await clock.advance(5_000);
    await settle();
    expect(daemon.problem).toBeUndefined();
    expect(said).toContain('router ospf');
  });

  it('that restarts is configured anew', async () => {
    const { clock, world, make, said, log } = start(() => ['router ospf']);
    const daemon = make();
    await settle();
    said.length = 0;
    world.end('closed by the daemon');
    expect(daemon.problem).toBe('ospfd: closed by the daemon');
    expect(log.of('frr-lost').length).toBe(1);
    await clock.advance(100);
    await settle();
    expect(said).toContain('router ospf');
    expect(daemon.problem).toBeUndefined();
    expect(await daemon.show('show ip ospf')).toBe('');
  });

  it('that refuses a line says which, but not the key in it', async () => {
    const secret = 'ip ospf message-digest-key 1 md5 Sesame.42';
    const { clock, world, make, log } = start(() => ['interface wan0', secret, 'bogus']);
    world.replies[secret] = { status: 13, text: `% Unknown command: ${secret}` };
    world.replies['bogus'] = { status: 2, text: '% Unknown command: bogus\n' };
    const daemon = make();
    await settle();
    expect(daemon.problem).toBe(
      "ospfd: refused 'ip ospf message-digest-key 1 md5 …' (status 13); 'bogus' (% Unknown command: bogus)",
    );
    expect(JSON.stringify(log.records)).not.toContain('Sesame');
    // It is asked all the same, and tried again.
    expect(await daemon.show('show ip ospf')).toBe('');
    delete world.replies[secret];
    delete world.replies['bogus'];
    await clock.advance(5_000);
    await settle();
    expect(daemon.problem).toBeUndefined();
  });

  it('is left alone once it is closed', async () => {
    const { clock, world, make, said } = start(() => []);
    const daemon = make();
    await settle();
    daemon.close();
    said.length = 0;
    world.end('closed');
    await clock.advance(60_000);
    await settle();
    expect(said).toEqual([]);
  });
});
