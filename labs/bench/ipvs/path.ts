/**
 * What forwarding costs: TCP connections a second by three servers, and iperf3 to one of them, through each balancer in turn in the same
 * appliance. Client, balancer and servers are on one emulated machine: what all of them do together is measured.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { A, B, C } from '../../../test/driver-suite/rig.ts';
import { ipvs, nftables } from '../../../test/driver-suite/subjects.ts';
import { Cell, farm, inside, VIP, wanted } from '../../../test/support/dataplane.ts';
import { poll } from '../../scenario/poll.ts';
import { sample } from '../figure.ts';
import { BALANCERS, type Balancer, inTurn, type Measured, nothing, startKeepalived } from './balancers.ts';

const IPERF = 5201;
/** Seconds of one measurement, by the clock of the guest: 10^9 instructions each. */
const LENGTH = 1;
/** A client's first seconds, in which its program is being compiled. */
const WARM = 1;
const AT_ONCE = 8;
/** Connections whose time is one sample. */
const GROUP = 50;
/** A client's ports, others in each measurement: IPVS remembers a connection that was reset for a while, and drops what comes by its port once its server is gone. */
const PORTS = { first: 10_000, count: 3500 };

const CLIENT = `
const net = require('net');
const [host, atOnce, warm, seconds] = process.argv.slice(1);
const begin = performance.now() + warm * 1000, end = begin + seconds * 1000;
let failed = 0, open = 0;
const done = [];
const next = () => {
  if (performance.now() > end) { if (open === 0) console.log(JSON.stringify({ done, failed })); return; }
  open++;
  const s = net.connect({ host, port: 80 });
  s.once('data', () => { const now = performance.now(); if (now > begin) done.push(now); s.resetAndDestroy(); });
  s.on('error', () => { failed++; s.destroy(); });
  s.on('close', () => { open--; next(); });
};
for (let at = 0; at < atOnce; at++) next();
`;

export async function measurePath({
  runs,
  mode,
}: {
  readonly runs: number;
  readonly mode: 'nat' | 'direct';
}): Promise<{ readonly connections: Measured; readonly throughput: Measured }> {
  const cell = new Cell();
  const [connections, throughput] = [nothing(), nothing()];
  try {
    await Promise.all([11, 12, 13].map(last => cell.serve(last, mode)));
    const iperf = cell.servers
      .find(each => each.name === A)!
      .namespace.spawn('iperf3', [...['-s', '-p', `${IPERF}`, '--forceflush']]);
    await poll('iperf3 listens', () => iperf.stdout().includes('listening'), {
      timeout: 30_000,
      interval: 50,
    });
    // The first to measure would find servers, and a kernel, that have all to do for the first time.
    const stop = await begin(cell, 'ipvs', mode);
    await connect(cell);
    await transfer(cell);
    await stop();
    for (let run = 0; run < runs; run++)
      for (const [turn, balancer] of inTurn(run).entries()) {
        const first = PORTS.first + ((run * BALANCERS.length + turn) % 15) * PORTS.count;
        cell.client.sysctl({ 'net.ipv4.ip_local_port_range': `${first} ${first + PORTS.count - 1}` });
        const stop = await begin(cell, balancer, mode);
        connections[balancer].push(await connect(cell));
        throughput[balancer].push(await transfer(cell));
        await stop();
      }
    return { connections, throughput };
  } finally {
    await cell.dispose();
  }
}

/** Starts a balancer in the appliance; gives what ends it, with all that it put there. */
async function begin(cell: Cell, balancer: Balancer, mode: 'nat' | 'direct'): Promise<() => Promise<void>> {
  const { appliance } = cell;
  if (balancer === 'keepalived') {
    const process = await startKeepalived(appliance, mkdtempSync(join(tmpdir(), 'keepalived-')), {
      ...{ vip: VIP, ports: [80, IPERF], servers: [A, B, C], kind: mode === 'nat' ? 'NAT' : 'DR' },
      ...{ persistence: 0, checks: false },
    });
    // It has no way to say that iperf3 is at one server only.
    for (const other of [B, C])
      appliance.runSync('ipvsadm', ['-d', '-t', `${VIP}:${IPERF}`, '-r', `${other}:${IPERF}`]);
    return async () => {
      await process.stop();
      appliance.runSync('ipvsadm', ['-C']);
      appliance.ip(`addr del ${VIP}/32 dev lo`);
    };
  }
  const subject = balancer === 'ipvs' ? ipvs : nftables;
  const { driver } = await cell.act(subject.open);
  const ports = { first: IPERF, last: IPERF };
  // With anycast ARP, as the manager has every VIP.
  const all = wanted([farm([A, B, C], { mode }), farm([A], { mode, ports })], [VIP]);
  const { problems } = await inside(appliance, () => driver.apply(all));
  if (problems.length > 0) throw new Error(`${balancer}: ${problems.join('; ')}`);
  return () => inside(appliance, () => driver.release());
}

/** TCP connections a second, each with a word from its server: the median of groups, since programs of Node's stop for a while to collect garbage, now in this one's second, now in that one's. */
async function connect(cell: Cell): Promise<number> {
  const words = ['-e', CLIENT, VIP, ...[AT_ONCE, WARM, LENGTH].map(String)];
  const { stdout, stderr } = await cell.client.run(process.execPath, words, { timeout: 60_000 });
  if (stdout === '') throw new Error(`no connections: ${stderr}`);
  const { done, failed } = JSON.parse(stdout) as { done: readonly number[]; failed: number };
  if (failed > done.length / 100) throw new Error(`${failed} connections of ${done.length} failed`);
  const rates: number[] = [];
  for (let at = GROUP; at < done.length; at += GROUP)
    rates.push((GROUP * 1000) / (done[at]! - done[at - GROUP]!));
  if (rates.length === 0) throw new Error(`only ${done.length} connections`);
  return sample(rates).median;
}

/** Gbit/s of iperf3 by one connection. */
async function transfer(cell: Cell): Promise<number> {
  const words = ['-c', VIP, '-p', `${IPERF}`, '-t', `${LENGTH}`, '-J'];
  const { stdout } = await cell.client.run('iperf3', words, { timeout: 60_000 });
  const result = JSON.parse(stdout) as {
    error?: string;
    end?: { sum_received?: { bits_per_second: number } };
  };
  if (result.error !== undefined) throw new Error(`iperf3: ${result.error}`);
  return result.end!.sum_received!.bits_per_second / 1e9;
}
