import { describe, expect, it } from 'vitest';
import { Agent } from '../../../appliance/agent/agent.ts';
import { loadAgentConfig } from '../../../appliance/agent/config.ts';
import type { ExecCall, ExecScript } from '../../support/virtual/exec.ts';
import { ScriptedExec } from '../../support/virtual/exec.ts';
import { MemoryFiles } from '../../support/virtual/files.ts';
import { recordingLog } from '../../support/virtual/log.ts';
import { ScriptedManager, VIP, World } from '../sdk/world.ts';

const STATE = '/var/lib/bivouac-agent/agent.json';
const IGNORE = '/proc/sys/net/ipv4/conf/all/arp_ignore';
const ANNOUNCE = '/proc/sys/net/ipv4/conf/all/arp_announce';

/** A host whose `ip` and `tee` do what they do on Linux, and outlives the agents that run on it. */
class Host {
  readonly files = new MemoryFiles();
  readonly onLoopback = new Set<string>(['127.0.0.1']);
  faults = 0;

  constructor() {
    this.files.texts
      .set(IGNORE, '0\n')
      .set(ANNOUNCE, '0\n')
      .set('/proc/sys/kernel/random/boot_id', 'boot-1\n');
    this.connections(0);
  }

  connections(count: number): void {
    const line = '   0: 0100630A:0050 0900000A:D431 01 00000000:00000000 00:00000000 00000000 0 0 1\n';
    this.files.texts.set('/proc/net/tcp', `head\n${line.repeat(count)}`);
  }

  readonly run = ({ file, args, input }: ExecCall): ExecScript => {
    if (file === 'tee') {
      this.files.texts.set(args[0]!, input ?? '');
      return {};
    }
    if (file !== 'ip') return { error: 'not found' };
    if (args[0] === '-json')
      return { stdout: JSON.stringify([{ addr_info: [...this.onLoopback].map(local => ({ local })) }]) };
    if (this.faults-- > 0) return { status: 2, stderr: 'RTNETLINK answers: Operation not permitted' };
    const vip = args[2]!.split('/')[0]!;
    const there = this.onLoopback.has(vip);
    if (args[1] === 'add') {
      if (there) return { status: 2, stderr: 'RTNETLINK answers: File exists' };
      this.onLoopback.add(vip);
    } else if (!this.onLoopback.delete(vip)) return { status: 2, stderr: 'Cannot assign requested address' };
    return {};
  };

  get parameters(): (string | undefined)[] {
    return [this.files.read(IGNORE)?.trim(), this.files.read(ANNOUNCE)?.trim()];
  }
}

async function scene(service: object = {}, options: object = {}) {
  const world = new World();
  const manager = new ScriptedManager(world.manager);
  await manager.listen();
  const host = new Host();
  const boot = () => {
    const text = JSON.stringify({
      plain: true,
      name: 'one',
      manager: ['10.0.0.1'],
      services: [{ name: 'www.example.org', protocol: 'http', ports: 80, ...service }],
      ...options,
    });
    const loaded = loadAgentConfig(text);
    if ('faults' in loaded) throw new Error(JSON.stringify(loaded.faults));
    const exec = new ScriptedExec(world.clock, host.run);
    const log = recordingLog();
    const ports = { clock: world.clock, exec, files: host.files, log, environment: world.environment() };
    return { exec, log, agent: new Agent(loaded.config, undefined, ports) };
  };
  const first = boot();
  const up = () => world.clock.runUntil(() => manager.of('register-service').length > 0);
  return { world, manager, host, boot, up, ...first };
}

describe('the agent', () => {
  it('quietens ARP, then installs the VIP, then registers the service', async () => {
    const { world, host, manager, agent, exec, up } = await scene();
    await world.clock.runToEnd(agent.start());
    await up();
    expect(exec.calls.map(({ file, args }) => [file, ...args].join(' '))).toEqual([
      `tee ${IGNORE}`,
      `tee ${ANNOUNCE}`,
      'ip -json address show dev lo',
      `ip address add ${VIP}/32 dev lo label lo:bivouac`,
    ]);
    expect(host.parameters).toEqual(['1', '2']);
    expect(host.onLoopback.has(VIP)).toBe(true);
    expect(manager.of('register-service')[0]!.service).toMatchObject({
      vip: VIP,
      forward: { mode: 'direct' },
    });
  });

  it('installs nothing for services that are forwarded by NAT', async () => {
    const { world, host, agent, exec, up } = await scene({ forward: { mode: 'nat' } });
    await world.clock.runToEnd(agent.start());
    await up();
    expect(exec.calls).toEqual([]);
    expect(host.parameters).toEqual(['0', '0']);
  });

  it('leaves parameters alone that are set to more already', async () => {
    const { world, host, agent, up } = await scene();
    host.files.texts.set(IGNORE, '2\n');
    await world.clock.runToEnd(agent.start());
    await up();
    expect(host.parameters).toEqual(['2', '2']);
    await world.clock.runToEnd(agent.stop());
    expect(host.parameters).toEqual(['2', '0']);
  });

  it('reports connections at the VIP and load, each second', async () => {
    const { world, host, manager, agent, up } = await scene();
    host.files.texts.set('/proc/loadavg', '1.00 0 0 1/1 1').set('/sys/devices/system/cpu/online', '0-3');
    await world.clock.runToEnd(agent.start());
    await up();
    host.connections(3);
    await world.clock.advance(2100);
    const reports = manager.of('report');
    expect(reports.length).toBeGreaterThanOrEqual(3);
    expect(reports.at(-1)!.reports).toEqual([{ service: 1, state: 'up', connections: 3, load: 250 }]);
  });

  it('on stop drains, waits for the connections to end, deregisters, and leaves the host as it was', async () => {
    const { world, host, manager, agent, up } = await scene();
    await world.clock.runToEnd(agent.start());
    await up();
    host.connections(2);
    await world.clock.advance(1500);
    const stopped = agent.stop();
    let over = false;
    void stopped.then(() => {
      over = true;
    });
    await world.clock.advance(5000);
    expect(over).toBe(false);
    expect(manager.of('drain-service').length).toBe(1);
    expect(manager.of('report').at(-1)!.reports[0]).toMatchObject({ state: 'draining', connections: 2 });
    expect(host.onLoopback.has(VIP)).toBe(true);
    host.connections(0);
    await world.clock.advance(500);
    expect(over).toBe(true);
    expect(manager.heard.at(-1)!.type).toBe('deregister');
    expect([...host.onLoopback]).toEqual(['127.0.0.1']);
    expect(host.parameters).toEqual(['0', '0']);
    expect(JSON.parse(host.files.read(STATE)!).changes).toEqual({ vips: [], parameters: {} });
    await world.clock.advance(20_000);
    expect(world.clock.pending.filter(name => name !== 'manager-beat')).toEqual([]);
  });

  it('waits no longer than it may, nor when it is told a second time', async () => {
    for (const [hurry, least, most] of [
      [false, 4000, 4300],
      [true, 1000, 1300],
    ] as const) {
      const { world, host, agent, up } = await scene({}, { drain: 4000 });
      host.connections(1);
      await world.clock.runToEnd(agent.start());
      await up();
      const since = world.clock.now();
      const stopped = agent.stop();
      if (hurry) world.clock.after('second signal', 1000, () => void agent.stop());
      await world.clock.runToEnd(stopped);
      expect(world.clock.now() - since).toBeGreaterThanOrEqual(least);
      expect(world.clock.now() - since).toBeLessThanOrEqual(most);
    }
  });

  it('keeps the VIP installed while the manager is away, and does not touch it when it is back', async () => {
    const { world, host, manager, agent, exec, up } = await scene();
    await world.clock.runToEnd(agent.start());
    await up();
    const before = exec.calls.length;
    world.manager.kill();
    await world.clock.advance(300_000);
    expect(host.onLoopback.has(VIP)).toBe(true);
    await manager.listen();
    await world.clock.runUntil(() => manager.of('register-service').length === 2);
    expect(exec.calls.slice(before).filter(call => call.args[1] !== 'address')).toEqual([]);
    expect(exec.calls.slice(before).filter(call => call.args[0] === 'address')).toEqual([]);
  });

  it('removes a VIP that the manager takes away', async () => {
    const { world, host, manager, agent, up } = await scene({ vip: VIP });
    await world.clock.runToEnd(agent.start());
    await up();
    manager.override = message =>
      message.type === 'lease-renew' || message.type === 'lease-request'
        ? [
            {
              type: 'refused',
              transaction: message.transaction,
              code: 'vip-taken',
              sentence: 'by a higher epoch',
            },
          ]
        : undefined;
    await world.clock.runUntil(() => !host.onLoopback.has(VIP), 40_000);
    expect(host.onLoopback.has(VIP)).toBe(false);
  });

  it('after it was killed, takes over what it had left, and removes it in the end', async () => {
    const { world, host, agent, boot, up, manager } = await scene();
    await world.clock.runToEnd(agent.start());
    await up();
    world.client.kill(); // The agent's process is gone; its changes are not.
    await world.clock.advance(10);
    expect(host.onLoopback.has(VIP)).toBe(true);
    const next = boot();
    await world.clock.runToEnd(next.agent.start());
    await world.clock.runUntil(() => manager.of('register-service').length === 2);
    expect(next.log.of('vip-adopted').map(record => record.fields['vip'])).toEqual([VIP]);
    expect(next.exec.calls.filter(call => call.args[0] === 'address')).toEqual([]);
    expect(manager.of('register').at(-1)).toMatchObject({ leases: [{ vip: VIP }] });
    await world.clock.runToEnd(next.agent.stop());
    expect([...host.onLoopback]).toEqual(['127.0.0.1']);
    expect(host.parameters).toEqual(['0', '0']);
  });

  it('removes leftovers that it no longer needs', async () => {
    const { world, host, boot } = await scene();
    const old = '10.99.0.200';
    host.onLoopback.add(old);
    const changes = { vips: [old], parameters: {} };
    host.files.write(STATE, JSON.stringify({ boot: 'boot-1', changes, epoch: 4, manager: null, leases: [] }));
    const { agent } = boot();
    await world.clock.runToEnd(agent.start());
    expect(host.onLoopback.has(old)).toBe(false);
    expect(agent.registration.memory().epoch).toBe(4);
  });

  it('leaves a VIP alone that somebody else has put on loopback', async () => {
    const { world, host, agent, log, up } = await scene();
    host.onLoopback.add(VIP);
    await world.clock.runToEnd(agent.start());
    await up();
    expect(log.of('vip-not-ours').length).toBe(1);
    await world.clock.runToEnd(agent.stop());
    expect(host.onLoopback.has(VIP)).toBe(true);
  });

  it('forgets its changes after a reboot, but not its leases', async () => {
    const { world, host, agent, boot, up, manager } = await scene();
    await world.clock.runToEnd(agent.start());
    await up();
    world.client.kill();
    host.onLoopback.delete(VIP);
    host.files.texts
      .set(IGNORE, '0\n')
      .set(ANNOUNCE, '1\n')
      .set('/proc/sys/kernel/random/boot_id', 'boot-2\n');
    const next = boot();
    await world.clock.runToEnd(next.agent.start());
    await world.clock.runUntil(() => manager.of('register-service').length === 2);
    expect(host.onLoopback.has(VIP)).toBe(true);
    await world.clock.runToEnd(next.agent.stop());
    expect(host.parameters).toEqual(['0', '1']);
  });

  it('sets a state file aside that cannot be read, and starts afresh', async () => {
    const { host, boot } = await scene();
    for (const bad of [
      '{',
      '{}',
      JSON.stringify({ boot: '', changes: { vips: ['x'], parameters: {} }, epoch: 1, leases: [] }),
    ]) {
      host.files.write(STATE, bad);
      const { log } = boot();
      expect(log.of('agent-state-unreadable').length).toBe(1);
      expect(host.files.read(`${STATE}.bad`)).toBe(bad);
      expect(host.files.read(STATE)).toBeUndefined();
    }
  });

  it('does not register a service whose VIP cannot be installed, says so, and tries again', async () => {
    const { world, host, manager, agent, log, up } = await scene();
    host.faults = 1;
    await world.clock.runToEnd(agent.start());
    await world.clock.advance(1000);
    expect(manager.of('register-service')).toEqual([]);
    expect(log.of('refused')[0]!.fields['sentence']).toContain('Operation not permitted');
    await up();
    expect(host.onLoopback.has(VIP)).toBe(true);
  });

  it('reports a service down until its local check has passed, and when it fails', async () => {
    let status = 1;
    const world = new World();
    const manager = new ScriptedManager(world.manager);
    await manager.listen();
    const host = new Host();
    const exec = new ScriptedExec(world.clock, call =>
      call.file === '/check' ? { status } : host.run(call),
    );
    const local = { kind: 'exec', command: ['/check'], interval: 500 };
    const services = [{ name: 'a.b', protocol: 'http', ports: 80, local }];
    const loaded = loadAgentConfig(JSON.stringify({ plain: true, manager: ['10.0.0.1'], services }));
    if ('faults' in loaded) throw new Error('faults');
    const ports = {
      clock: world.clock,
      exec,
      files: host.files,
      log: recordingLog(),
      environment: world.environment(),
    };
    const agent = new Agent(loaded.config, undefined, ports);
    await world.clock.runToEnd(agent.start());
    const said = () => manager.of('report').at(-1)!.reports[0]!.state;
    await world.clock.advance(3000);
    expect(said()).toBe('down');
    status = 0;
    await world.clock.advance(600);
    expect(said()).toBe('up');
    status = 1;
    await world.clock.advance(400);
    expect(said()).toBe('up');
    await world.clock.advance(700);
    expect(said()).toBe('down');
  });

  it('checks by TCP at the VIP', async () => {
    const { world, manager, agent } = await scene({ local: { kind: 'tcp', interval: 200 } });
    await world.clock.runToEnd(agent.start());
    await world.clock.advance(2000);
    expect(manager.of('report').at(-1)!.reports[0]!.state).toBe('down');
    world.client.adopt(VIP);
    await world.client.net.listen(
      { address: VIP, port: 80 },
      () => ({ onData: () => {}, onClose: () => {} }),
      () => {},
    );
    await world.clock.advance(2000);
    expect(manager.of('report').at(-1)!.reports[0]!.state).toBe('up');
  });
});
