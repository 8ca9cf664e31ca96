/** The agent follows its host through a virtual network: what the kernel, DHCP clients and managers tell, and what it does. */
import { describe, expect, it } from 'vitest';
import { Agent } from '../../../appliance/agent/agent.ts';
import { loadAgentConfig } from '../../../appliance/agent/config.ts';
import type { Interface, Surroundings } from '../../../appliance/host/ports.ts';
import { address } from '../../../sdk/wire/address.ts';
import { encodeAnycast } from '../../../sdk/wire/anycast.ts';
import type { ManagerId } from '../../../sdk/wire/model.ts';
import { ScriptedExec } from '../../support/virtual/exec.ts';
import { MemoryFiles } from '../../support/virtual/files.ts';
import { recordingLog } from '../../support/virtual/log.ts';
import type { VirtualHost } from '../../support/virtual/network.ts';
import { ScriptedManager, VIP, World } from '../sdk/world.ts';

const OTHER = 'ba'.repeat(32) as ManagerId;
const NOTES = '/run/bivouac-agent/managers';

/** An interface with an address, and a router of its default route. */
const link = (own: string | undefined, more: Partial<Interface> = {}): Interface => ({
  ...{ index: 2, name: 'eth0', loopback: false, running: true },
  addresses: own === undefined ? [] : [{ address: address(own), prefix: 24 }],
  ...more,
});
const around = (interfaces: readonly Interface[], router?: string, metric = 0): Surroundings => ({
  interfaces: [
    { index: 1, name: 'lo', loopback: true, running: true, addresses: [{ address: VIP, prefix: 32 }] },
    ...interfaces,
  ],
  routes: router === undefined ? [] : [{ interface: 2, family: 4, gateway: address(router), metric }],
});
const HOME = around([link('10.0.0.9')], '10.0.0.1');
const AWAY = around([link('10.2.0.9')], '10.2.0.1');

async function scene(options: object = {}) {
  const world = new World();
  const there = world.network.host('there', '10.2.0.1');
  const a = new ScriptedManager(world.manager);
  const b = new ScriptedManager(there);
  b.id = OTHER;
  await a.listen();
  await b.listen();
  world.client.adopt('10.2.0.9');
  const files = new MemoryFiles();
  files.texts
    .set('/proc/sys/net/ipv4/conf/all/arp_ignore', '1\n')
    .set('/proc/sys/net/ipv4/conf/all/arp_announce', '2\n');
  const onLoopback = new Set<string>();
  const exec = new ScriptedExec(world.clock, ({ args }) => {
    const vip = args[2]?.split('/')[0] ?? '';
    if (args[1] === 'add') onLoopback.add(vip);
    if (args[1] === 'delete') onLoopback.delete(vip);
    return args[0] === '-json'
      ? { stdout: JSON.stringify([{ addr_info: [...onLoopback].map(local => ({ local })) }]) }
      : {};
  });
  const text = JSON.stringify({
    ...{ plain: true, name: 'one', services: [{ name: 'a.b', protocol: 'http', ports: 80 }] },
    ...options,
  });
  const loaded = loadAgentConfig(text);
  if ('faults' in loaded) throw new Error(JSON.stringify(loaded.faults));
  let change: (now: Surroundings) => void = () => {};
  let noted: () => void = () => {};
  let closed = 0;
  const close = (): void => void closed++;
  const log = recordingLog();
  const agent = new Agent(loaded.config, undefined, {
    ...{ clock: world.clock, exec, files, log, environment: world.environment() },
    surroundings: onChange => {
      change = onChange;
      onChange(HOME);
      return Promise.resolve({ close });
    },
    watch: (_paths, onChange) => {
      noted = onChange;
      return { close };
    },
  });
  await world.clock.runToEnd(agent.start());
  await world.clock.runUntil(() => a.of('register-service').length === 1);
  await world.clock.advance(200);
  const calls = exec.calls.length;
  const cut = (host: VirtualHost, how = true) => world.network.partition(world.client, host, how);
  return {
    ...{ world, clock: world.clock, a, b, there, files, agent, log, onLoopback, cut },
    change: (now: Surroundings) => change(now),
    note: (name: string, managers: string) => {
      files.texts.set(`${NOTES}/${name}`, managers);
      noted();
    },
    /** Programs that were run since it was up. */
    ran: () => exec.calls.slice(calls).map(({ file, args }) => [file, ...args].join(' ')),
    closed: () => closed,
  };
}

const invite = async (from: VirtualHost, named: string, nonce = new Uint8Array(8)): Promise<void> => {
  const socket = await from.net.datagram(
    { address: address('0.0.0.0'), port: 9747 },
    () => {},
    () => {},
  );
  const bytes = encodeAnycast({
    ...{ type: 'invite', nonce, manager: OTHER, name: 'b' },
    ...{ address: address(named), port: 9746, tls: false },
  });
  socket.send(bytes, 9747, address('10.2.0.9'));
  socket.close();
};

describe('the agent follows its host', () => {
  it('is registered at the router of another subnet within milliseconds of its address; the VIP is not touched', async () => {
    const { clock, b, world, cut, change, ran, onLoopback, log } = await scene();
    cut(world.manager);
    const since = clock.now();
    change(AWAY);
    await clock.runUntil(() => b.of('register-service').length === 1);
    expect(clock.now() - since).toBeLessThan(5);
    expect(b.of('register')[0]).toMatchObject({ epoch: 2, leases: [{ vip: VIP }] });
    await clock.advance(5000);
    expect([ran(), [...onLoopback]]).toEqual([[], [VIP]]);
    expect(log.of('agent-moved').length).toBe(1);
  });

  it('needs no router: the address alone makes it ask who is there', async () => {
    const { clock, b, change, there } = await scene();
    const socket = await there.net.datagram(
      { address: address('0.0.0.0'), port: 9747, groups: [address('239.255.79.46')] },
      (bytes, to, port) => {
        const nonce = bytes.slice(16, 24);
        const said = { type: 'invite', nonce, manager: OTHER, name: 'b', tls: false } as const;
        if (to === '10.2.0.9')
          socket.send(encodeAnycast({ ...said, address: address('10.2.0.1'), port: 9746 }), port, to);
      },
      () => {},
    );
    change(around([link('10.2.0.9')]));
    await clock.runUntil(() => b.of('register-service').length === 1);
    expect(b.of('register')[0]).toMatchObject({ epoch: 2 });
  });

  it('takes the manager that DHCP named, whatever the router is', async () => {
    const { clock, b, change, note } = await scene();
    change(around([link('10.2.0.9')], '10.2.0.254'));
    await clock.advance(20);
    expect(b.connections).toBe(0);
    note('eth0', '10.2.0.1:9746');
    const since = clock.now();
    await clock.runUntil(() => b.of('register-service').length === 1);
    expect(clock.now() - since).toBeLessThan(5);
  });

  it('a second interface that is better is gone over to make before break; a worse one is not', async () => {
    const { clock, a, b, change } = await scene();
    const both = (metric: number): Surroundings => ({
      interfaces: [...HOME.interfaces, link('10.2.0.9', { index: 3, name: 'eth1' })],
      routes: [
        { interface: 2, family: 4, gateway: address('10.0.0.1'), metric: 100 },
        { interface: 3, family: 4, gateway: address('10.2.0.1'), metric },
      ],
    });
    change(both(200));
    await clock.advance(1000);
    expect([a.connected, b.connections]).toEqual([true, 0]);
    change(both(50));
    await clock.runUntil(() => a.of('deregister').length === 1);
    expect(b.of('register-service').length).toBe(1);
  });

  it('when the cable is back before anybody missed it, it looks again, and stays with its manager', async () => {
    const { clock, a, change, log } = await scene();
    change(around([link('10.0.0.9', { running: false })]));
    await clock.advance(50);
    change(HOME);
    await clock.advance(1000);
    expect(a.of('register').map(({ epoch }) => epoch)).toEqual([1, 1]);
    expect([a.connected, log.of('manager-lost')]).toEqual([true, []]);
  });

  it('with managers of its configuration it asks no others, wherever it is', async () => {
    const { clock, a, b, change, note, there } = await scene({ manager: ['10.0.0.1'] });
    change(AWAY);
    note('eth0', '10.2.0.1');
    await invite(there, '10.2.0.1');
    await clock.advance(1000);
    expect([b.connections, a.connected]).toEqual([0, true]);
  });

  it('stops following when it is stopped', async () => {
    const { clock, agent, b, change, closed } = await scene();
    await clock.runToEnd(agent.stop());
    change(AWAY);
    await clock.advance(1000);
    expect([b.connections, closed()]).toEqual([0, 2]);
  });
});

describe('an unasked invitation', () => {
  const nowhere = around([link('10.2.0.9')]);

  it('is followed at once by who has no manager', async () => {
    const { clock, b, world, cut, change, there } = await scene();
    cut(world.manager);
    change(nowhere);
    await clock.advance(20_000);
    expect(b.connections).toBe(0);
    const since = clock.now();
    await invite(there, '10.2.0.1');
    await clock.runUntil(() => b.of('register').length === 1);
    expect(clock.now() - since).toBeLessThan(5);
  });

  it('is passed over: when asked for, from off the link, to off the link, and by who is registered where it is best placed', async () => {
    const { clock, b, world, cut, change, there } = await scene();
    await invite(there, '10.2.0.1');
    await clock.advance(1000);
    expect(b.connections).toBe(0);
    cut(world.manager);
    change(nowhere);
    await clock.advance(20_000);
    const stranger = world.network.host('stranger', '10.9.0.9');
    for (const [from, named, nonce] of [
      [there, '10.2.0.1', new Uint8Array(8).fill(1)],
      [stranger, '10.2.0.1', new Uint8Array(8)],
      [there, '10.9.0.9', new Uint8Array(8)],
    ] as const) {
      await invite(from, named, nonce);
      await clock.advance(100);
    }
    expect(b.connections).toBe(0);
  });
});
