/**
 * The agent as a process of its own on a real kernel: VIPs on loopback, ARP, connections, the end.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { agentPrograms } from '../support/agent-programs.ts';
import { type LongProcess, type Namespace, Network, poll } from '../support/netns.ts';

const work = mkdtempSync(join(tmpdir(), 'bivouac-agent-'));
const programs = agentPrograms('agent');
const { agent: agentProgram, manager: managerProgram } = programs;
const VIP = '10.99.0.1';
const VIP6 = '2001:db8:99::1';
const network = new Network();
let server: Namespace;
let manager: Namespace;

beforeAll(async () => {
  await programs.build();
  server = network.namespace('server');
  manager = network.namespace('manager');
  network.veth(
    { in: server, name: 'eth0', addresses: ['10.0.0.2/24', '2001:db8::2/64'] },
    { in: manager, name: 'lan', addresses: ['10.0.0.1/24', '2001:db8::1/64'] },
  );
  server.ip('route add default via 10.0.0.1');
});
afterAll(async () => {
  await network.dispose();
  rmSync(work, { recursive: true, force: true });
  rmSync(programs.directory, { recursive: true, force: true });
});

/** The scripted manager, and what it has heard: one JSON message a line. */
function startManager(
  ...args: string[]
): LongProcess & { readonly heard: (type: string) => Record<string, never>[] } {
  const process_ = manager.spawn(process.execPath, [managerProgram, ...args]);
  const heard = (type: string): Record<string, never>[] =>
    process_
      .stdout()
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line))
      .filter(message => message.type === type);
  return { ...process_, heard };
}

let counter = 0;
const running: LongProcess[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop('SIGKILL');
  server.runSync('sh', [
    '-c',
    `ip addr flush dev lo label lo:bivouac; ip addr del ${VIP}/32 dev lo 2>/dev/null; true`,
  ]);
  server.sysctl({ 'net.ipv4.conf.all.arp_ignore': 0, 'net.ipv4.conf.all.arp_announce': 0 });
});

function scene(options: object = {}, service: object = {}) {
  const state = join(work, `state-${++counter}.json`);
  const config = join(work, `agent-${counter}.json`);
  const services = [{ name: 'www.example.org', protocol: 'http', ports: 8080, ...service }];
  writeFileSync(
    config,
    JSON.stringify({ name: 'one', plain: true, report: 100, drain: 60_000, state, services, ...options }),
  );
  const start = (): LongProcess => {
    const agent = server.spawn(process.execPath, [agentProgram, '--config', config]);
    running.push(agent);
    return agent;
  };
  return { start, state };
}

const manage = (...args: string[]): ReturnType<typeof startManager> => {
  const one = startManager(...args);
  running.push(one);
  return one;
};
const loopback = (): string => server.ip('-o addr show dev lo');
const parameters = (): string =>
  server
    .runSync('sysctl', ['-n', 'net.ipv4.conf.all.arp_ignore', 'net.ipv4.conf.all.arp_announce'])
    .replaceAll('\n', ' ');

describe('the agent on a real kernel', () => {
  it('finds the manager at the default router, installs the VIP, and takes everything away on SIGTERM', async () => {
    const there = manage();
    const { start, state } = scene();
    const agent = start();
    await poll(() => there.heard('register-service').length > 0, 30_000, 'the service is registered');
    expect(loopback()).toContain(`inet ${VIP}/32 scope global lo:bivouac`);
    expect(parameters()).toBe('1 2 ');
    expect(JSON.parse(readFileSync(state, 'utf8')).changes.vips).toEqual([VIP]);
    expect(await agent.stop('SIGTERM'), agent.stderr()).toBe(0);
    await poll(() => there.heard('deregister').length > 0, undefined, 'it has taken its leave');
    expect(there.heard('drain-service').length).toBe(1);
    expect(there.heard('deregister').length).toBe(1);
    expect(loopback()).not.toContain(VIP);
    expect(parameters()).toBe('0 0 ');
  });

  it('finds the manager by multicast where it is not the default router', async () => {
    server.ip('route del default');
    server.ip('route add default via 10.0.0.77');
    try {
      const there = manage('--invite', '10.0.0.1');
      scene().start();
      await poll(() => there.heard('register-service').length > 0, 30_000, 'the service is registered');
      expect(await poll(() => there.heard('solicit').length > 0, undefined, 'it asked')).toBe(true);
    } finally {
      server.ip('route replace default via 10.0.0.1');
    }
  });

  it('answers no ARP for the VIP, and takes packets for it', async () => {
    const there = manage();
    scene().start();
    await poll(() => there.heard('register-service').length > 0, 30_000, 'the service is registered');
    const asked = await manager.run('arping', ['-c', '2', '-w', '1', '-I', 'lan', VIP]);
    expect(asked.stdout).toMatch(/Received 0 response/);
    const own = await manager.run('arping', ['-c', '1', '-w', '25', '-I', 'lan', '10.0.0.2']);
    expect(own.stdout).toMatch(/Received 1 response/);
    manager.ip(`route add ${VIP}/32 via 10.0.0.2`);
    try {
      expect((await manager.run('ping', ['-c', '1', '-W', '20', VIP])).status).toBe(0);
    } finally {
      manager.ip(`route del ${VIP}/32`);
    }
  });

  it('reports the connections that the kernel has, and drains until they end', async () => {
    const there = manage();
    const agent = scene().start();
    await poll(() => there.heard('register-service').length > 0, 30_000, 'the service is registered');
    const web = server.node(
      "require('net').createServer(s => s.on('error', () => {})).listen(8080, () => console.log('up'))",
    );
    running.push(web);
    await poll(() => web.stdout().includes('up'));
    manager.ip(`route add ${VIP}/32 via 10.0.0.2`);
    try {
      const client = manager.node(
        `for (let i = 0; i < 3; i++) require('net').connect(8080, '${VIP}').on('error', () => {}); setTimeout(() => {}, 1e9)`,
      );
      running.push(client);
      const last = () =>
        (there.heard('report').at(-1) as { reports?: { connections: number; state: string }[] })
          ?.reports?.[0];
      await poll(() => last()?.connections === 3, 30_000, 'three connections are reported');
      const stopped = agent.stop('SIGTERM');
      await poll(() => last()?.state === 'draining', 30_000, 'it drains');
      expect(there.heard('deregister')).toEqual([]);
      expect(loopback()).toContain(VIP);
      await client.stop('SIGKILL');
      expect(await stopped).toBe(0);
      await poll(() => there.heard('deregister').length > 0, undefined, 'it has taken its leave');
      expect(there.heard('deregister').length).toBe(1);
      expect(loopback()).not.toContain(VIP);
    } finally {
      manager.ip(`route del ${VIP}/32`);
    }
  });

  it('keeps the VIP through a restart of the manager, and is back', async () => {
    const first = manage();
    scene().start();
    await poll(() => first.heard('register-service').length > 0, 30_000, 'the service is registered');
    const monitor = server.spawn('ip', ['monitor', 'address']);
    running.push(monitor);
    await first.stop('SIGKILL');
    const second = manage();
    await poll(() => second.stdout().includes('listening'), 30_000);
    await poll(() => second.heard('register-service').length > 0, 30_000, 'it is back');
    expect(second.heard('register')[0]).toMatchObject({ leases: [{ vip: VIP }] });
    expect(monitor.stdout()).not.toContain(VIP);
  });

  it('after SIGKILL, the next run adopts what was left, and removes it in the end', async () => {
    const there = manage();
    const { start } = scene();
    const killed = start();
    await poll(() => there.heard('register-service').length > 0, 30_000, 'the service is registered');
    await killed.stop('SIGKILL');
    // `ip netns exec` was killed; what it had become is the same process.
    expect(loopback()).toContain(VIP);
    const monitor = server.spawn('ip', ['monitor', 'address']);
    running.push(monitor);
    const agent = start();
    await poll(() => there.heard('register-service').length > 1, 30_000, 'it is registered again');
    await poll(() => agent.stderr().includes('vip-adopted'), undefined, 'it says so');
    expect(monitor.stdout()).not.toContain(VIP);
    expect(await agent.stop('SIGTERM')).toBe(0);
    expect(loopback()).not.toContain(VIP);
    expect(parameters()).toBe('0 0 ');
  });

  it('installs IPv6 VIPs, too, where it is told so', async () => {
    const there = manage();
    const agent = scene({}, { vip: VIP6, forward: { mode: 'direct' } }).start();
    await poll(() => there.heard('register-service').length > 0, 30_000, 'the service is registered');
    expect(loopback()).toContain(`inet6 ${VIP6}/128`);
    manager.ip(`route add ${VIP6}/128 via 2001:db8::2`);
    try {
      expect((await manager.run('ping', ['-6', '-c', '1', '-W', '20', VIP6])).status).toBe(0);
    } finally {
      manager.ip(`route del ${VIP6}/128`);
    }
    expect(await agent.stop('SIGTERM')).toBe(0);
    expect(loopback()).not.toContain(VIP6);
  });

  it('refuses a configuration that is wrong, with the line, and changes nothing', async () => {
    const { start, state } = scene({ drain: -1 });
    const agent = start();
    expect(await agent.exited).toBe(2);
    expect(agent.stderr()).toMatch(/agent-\d+\.json:1: \/drain: -1 must be >= 0/);
    expect(existsSync(state)).toBe(false);
  });
});
