import { beforeEach, expect, test } from 'vitest';
import type { DhcpCell } from '../../../appliance/config/config.ts';
import { createDhcp, type Dhcp } from '../../../appliance/dhcp/dnsmasq.ts';
import { address } from '../../../sdk/wire/address.ts';
import { ScriptedExec, virtualWorld } from '../../support/virtual.ts';
import { ListedLinks, link } from '../responder/support.ts';

const CELL: DhcpCell = {
  interface: 'lan0',
  range: { first: address('10.1.0.100'), last: address('10.1.0.199') },
  lease: 600,
  dns: [],
};

let world: ReturnType<typeof virtualWorld>;
let links: ListedLinks;
let exec: ScriptedExec;
let verdict: { status: number; stderr: string };
let problems: readonly string[];
let dhcp: Dhcp;

function make(): Dhcp {
  return createDhcp({
    clock: world.clock,
    exec,
    files: world.files,
    links,
    log: world.log,
    directory: '/state/dhcp',
    registration: { address: undefined, port: 9746 },
    onProblems: now => (problems = now),
  });
}

beforeEach(() => {
  world = virtualWorld();
  links = new ListedLinks();
  links.links = [link()];
  verdict = { status: 0, stderr: '' };
  problems = [];
  exec = new ScriptedExec(world.clock, ({ file, args }) => {
    if (file === 'sh') world.files.remove(`/proc/${args[3]}/cmdline`);
    return file === 'dnsmasq' ? verdict : {};
  });
  dhcp = make();
});

/** As dnsmasq does once it runs. */
function runs(pid: number): void {
  world.files.write('/state/dhcp/dnsmasq.pid', `${pid}\n`);
  world.files.write(`/proc/${pid}/cmdline`, 'dnsmasq\0--keep-in-foreground\0-C\0/state/dhcp/dnsmasq.conf\0');
}

test('what is rendered', async () => {
  dhcp.set([
    { ...CELL, router: false, dns: [address('10.1.0.53'), address('10.1.0.54')], domain: 'cell.mission' },
  ]);
  await world.clock.advance(10);
  expect(
    world.files.read('/state/dhcp/dnsmasq.conf'),
  ).toBe(`# Written by Bivouac; what is changed here is lost.
port=0
bind-dynamic
dhcp-authoritative
dhcp-rapid-commit
no-ping
quiet-dhcp
log-facility=-
dhcp-leasefile=/state/dhcp/dnsmasq.leases
pid-file=/state/dhcp/dnsmasq.pid
interface=lan0
dhcp-range=set:lan0,10.1.0.100,10.1.0.199,255.255.255.0,600
dhcp-option=tag:lan0,3
dhcp-option=tag:lan0,6,10.1.0.53,10.1.0.54
dhcp-option=tag:lan0,15,cell.mission
dhcp-option-force=tag:lan0,224,"10.1.0.1:9746"
`);
  expect(exec.processes.map(one => one.args)).toEqual([
    ['--keep-in-foreground', '-C', '/state/dhcp/dnsmasq.conf'],
  ]);
  expect(exec.calls.map(call => call.args)).toEqual([['--test', '-C', '/state/dhcp/dnsmasq.conf.new']]);
});

test('no cells, no dnsmasq', async () => {
  dhcp.set([]);
  await world.clock.advance(5000);
  expect([exec.calls, exec.processes, world.clock.timers]).toEqual([[], [], 0]);
});

test.each([
  [[], 'DHCP on lan0: there is no such interface'],
  [
    [link({ addresses: [{ address: address('10.2.0.1'), length: 24 }] })],
    'DHCP on lan0: no address of it is in a subnet that holds 10.1.0.100-10.1.0.199',
  ],
  [
    [link({ addresses: [{ address: address('10.1.0.150'), length: 24 }] })],
    "DHCP on lan0: 10.1.0.100-10.1.0.199 holds the interface's own address 10.1.0.150",
  ],
])('a cell that cannot be served yet is a problem, until it can', async (present, sentence) => {
  links.links = present;
  dhcp.set([CELL]);
  expect(problems).toEqual([sentence]);
  links.links = [link()];
  await world.clock.advance(1000);
  expect([problems, dhcp.running]).toEqual([[], true]);
});

test('it runs again when it ends, later and later, and is a problem meanwhile', async () => {
  dhcp.set([CELL]);
  await world.clock.advance(10);
  const starts: number[] = [];
  for (let round = 0; round < 9; round++) {
    const { length } = exec.processes;
    exec.processes.at(-1)!.output('dnsmasq: failed to bind\n', 'stderr');
    exec.processes.at(-1)!.exit(2);
    expect(dhcp.running).toBe(false);
    starts.push(await world.clock.runUntil(() => exec.processes.length > length));
  }
  expect(starts).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  await world.clock.advance(10_000);
  exec.processes.at(-1)!.exit(0);
  const { length } = exec.processes;
  await world.clock.advance(200);
  expect(await world.clock.runUntil(() => exec.processes.length > length)).toBe(300);
});

test('why it ended is told until it runs for a while', async () => {
  dhcp.set([CELL]);
  await world.clock.advance(2000);
  exec.processes.at(-1)!.output('dnsmasq: failed to bind\n', 'stderr');
  exec.processes.at(-1)!.exit(2);
  expect(problems).toEqual(['dnsmasq ended (status 2): dnsmasq: failed to bind']);
  await world.clock.advance(1000);
  expect([problems.length, dhcp.running]).toEqual([1, true]);
  await world.clock.advance(3000);
  expect(problems).toEqual([]);
});

test('another configuration: tested, the old one ended, the new one started; the same: nothing', async () => {
  dhcp.set([CELL]);
  await world.clock.advance(10);
  runs(77);
  dhcp.set([{ ...CELL }]);
  await world.clock.advance(3000);
  expect(exec.processes.length).toBe(1);
  dhcp.set([{ ...CELL, lease: 900 }]);
  await world.clock.advance(100);
  expect(exec.calls.at(-1)).toMatchObject({ file: 'sh', args: ['-c', 'kill "$1"', 'sh', '77'] });
  expect([exec.processes.length, exec.processes[0]!.closed, dhcp.running]).toEqual([2, true, true]);
  exec.processes[0]!.exit(0); // Its end is nobody's concern any more.
  await world.clock.advance(5000);
  expect(exec.processes.length).toBe(2);
});

test('one that dnsmasq refuses leaves the old one in place', async () => {
  dhcp.set([CELL]);
  await world.clock.advance(10);
  verdict = { status: 1, stderr: 'dnsmasq: bad option at line 12\n' };
  dhcp.set([{ ...CELL, lease: 900 }]);
  await world.clock.advance(3000);
  expect(problems).toEqual(['dnsmasq refuses its configuration: dnsmasq: bad option at line 12']);
  expect([exec.processes.length, exec.processes[0]!.closed]).toEqual([1, false]);
});

test('what a crashed manager left behind is ended first; a stranger of the same number is not', async () => {
  runs(55);
  dhcp.set([CELL]);
  await world.clock.advance(10);
  expect(exec.calls.map(call => call.args.at(-1))).toEqual(['/state/dhcp/dnsmasq.conf.new', '55']);
  await dhcp.close();
  world.files.write('/proc/55/cmdline', 'sshd\0');
  exec.calls.length = 0;
  dhcp = make();
  dhcp.set([CELL]);
  await world.clock.advance(10);
  expect(exec.calls.length).toBe(1);
});

test('close ends it and leaves nothing behind', async () => {
  dhcp.set([CELL]);
  await world.clock.advance(10);
  runs(77);
  await world.clock.runToEnd(dhcp.close());
  expect(exec.calls.at(-1)).toMatchObject({ file: 'sh' });
  expect(world.clock.pending).toEqual([]);
});
