/**
 * The DNS server's figures: answers a second on one core beside gdnsd, PowerDNS and knot, by dnsperf, in turn and run by run. All servers
 * share one core (only the one that is asked works) and one namespace; dnsperf has the other cores and another namespace.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { poll } from '../scenario/poll.ts';
import { amplificationFigure } from './dns-amplification.ts';
import { type DnsPeer, gdnsd, knot, NAMES, type PeerOptions, powerdns, ZONE } from './dns-peers.ts';
import { type Beside, type Figure, ratios, sample } from './figure.ts';
import type { Amplified } from './roles/amplify.ts';

const SERVER = '10.77.0.1';
const CLIENT = '10.77.0.2';
const SUBNETS = 200;
/** 10.0.9.0/24 as an EDNS option of dnsperf (RFC 7871 §6). */
const SUBNET_OPTION = '8:000118000a0009';
const CORES = availableParallelism();
const SERVER_CORE = CORES - 1;

/** A server that runs. */
interface Running {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/** Of one run: answers a second, and answers for each second of the server's own processor time. */
interface Speed {
  readonly rate: number;
  readonly perProcessor: number;
}

export interface DnsBenchOptions {
  readonly runs: number;
  /** s of one measurement. */
  readonly duration?: number;
}

/** Measures; needs root, and Debian's gdnsd, pdns-backend-geoip, knot-module-geoip and dnsperf. */
export async function dnsFigures({ runs, duration = 1 }: DnsBenchOptions): Promise<Figure[]> {
  const bench = new Bench(duration);
  try {
    const same = await bench.servers(0);
    const subnets = await bench.servers(SUBNETS);
    const two = await bench.ours('two threads', 2, 0, `${SERVER_CORE - 1},${SERVER_CORE}`);
    const speeds = new Map<Running, Speed[]>([...same, ...subnets, two].map(one => [one, []]));
    // Once for nothing: caches are empty, and code that has not run yet is not compiled yet.
    for (const [server] of speeds) bench.speed(server, subnets.includes(server));
    for (let run = 0; run < runs; run++)
      for (const [server, list] of speeds) list.push(bench.speed(server, subnets.includes(server)));
    const numbers = (server: Running, field: keyof Speed): number[] =>
      speeds.get(server)!.map(one => one[field]);
    const figure = (
      name: string,
      unit: string,
      field: keyof Speed,
      [ours, ...others]: readonly Running[],
    ): Figure => {
      const ratio = ratios(numbers(ours!, field), numbers(others[0]!, field));
      const beside = others.map((one): Beside => ({ name: one.name, sample: sample(numbers(one, field)) }));
      const own = sample(numbers(ours!, field));
      const met = ratio.median >= 1 && beside.slice(1).every(other => own.median > other.sample.median);
      return { name, unit, ours: own, beside, ratio, goal: '≥ gdnsd, > the others', met };
    };
    const scaled = ratios(numbers(two, 'rate'), numbers(same[0]!, 'rate'));
    const asked = same.map(one => ({ name: one.name, asked: bench.amplified(one) }));
    return [
      figure('answers a second, one core, 1,000 names', '1/s', 'rate', same),
      figure('answers for each second of processor time, 1,000 names', '1/s', 'perProcessor', same),
      figure("answers a second, one core, by the client's subnet", '1/s', 'rate', subnets),
      figure(
        "answers for each second of processor time, by the client's subnet",
        '1/s',
        'perProcessor',
        subnets,
      ),
      {
        name: 'answers a second with two threads on two cores (the asker has the others)',
        unit: '1/s',
        ours: sample(numbers(two, 'rate')),
        beside: [
          { name: 'one thread', sample: sample(numbers(same[0]!, 'rate')) },
          {
            name: 'for each second of processor time, two threads (what the asker cannot bring shows here)',
            sample: sample(numbers(two, 'perProcessor')),
          },
          {
            name: 'for each second of processor time, one thread',
            sample: sample(numbers(same[0]!, 'perProcessor')),
          },
        ],
        ratio: scaled,
        goal: '> 1.3 × one thread',
        met: scaled.median > 1.3,
      },
      {
        name: 'resident memory, 1,000 names',
        unit: 'MB',
        ours: sample([residentOf(same[0]!)]),
        beside: same.slice(1).map(one => ({ name: one.name, sample: sample([residentOf(one)]) })),
        goal: 'reported',
        met: true,
      },
      amplificationFigure(asked),
    ];
  } finally {
    await bench.close();
  }
}

class Bench {
  private readonly duration: number;
  private readonly directory = mkdtempSync(join(tmpdir(), 'bivouac-dns-'));
  private readonly prefix = `bvd${process.pid}`;
  private readonly children: ChildProcess[] = [];
  private readonly queries = join(this.directory, 'queries');
  private port = 5300;

  constructor(duration: number) {
    this.duration = duration;
    const { prefix } = this;
    ip('netns', 'add', `${prefix}s`);
    ip('netns', 'add', `${prefix}c`);
    ip(
      'link',
      'add',
      's0',
      'netns',
      `${prefix}s`,
      'type',
      'veth',
      'peer',
      'name',
      'c0',
      'netns',
      `${prefix}c`,
    );
    for (const [side, own] of [
      ['s', SERVER],
      ['c', CLIENT],
    ] as const) {
      ip('-n', prefix + side, 'addr', 'add', `${own}/24`, 'dev', `${side}0`);
      ip('-n', prefix + side, 'link', 'set', `${side}0`, 'up');
      ip('-n', prefix + side, 'link', 'set', 'lo', 'up');
    }
    const lines = Array.from({ length: NAMES }, (_, index) => `h${index}.${ZONE} A`);
    writeFileSync(this.queries, `${lines.join('\n')}\n`);
  }

  /** Ours, gdnsd, PowerDNS and knot, on the same core. */
  async servers(subnets: number): Promise<readonly [Running, ...Running[]]> {
    const ours = await this.ours('ours', 1, subnets, `${SERVER_CORE}`);
    const peers: Running[] = [];
    for (const peer of [gdnsd, powerdns, knot]) peers.push(await this.peer(peer, subnets));
    return [ours, ...peers];
  }

  ours(name: string, threads: number, subnets: number, cores: string): Promise<Running> {
    const port = this.port++;
    const program = join(dirname(fileURLToPath(import.meta.url)), 'bench-dns.mjs');
    const words = [SERVER, port, threads, NAMES, subnets].map(String);
    return this.start(name, port, cores, [process.execPath, program, ...words]);
  }

  private peer(render: (options: PeerOptions) => DnsPeer, subnets: number): Promise<Running> {
    const port = this.port++;
    const directory = join(this.directory, String(port));
    mkdirSync(directory, { recursive: true });
    const { name, command } = render({ directory, address: SERVER, port, subnets });
    return this.start(name, port, `${SERVER_CORE}`, command);
  }

  private async start(
    name: string,
    port: number,
    cores: string,
    command: readonly string[],
  ): Promise<Running> {
    // `ip netns exec` and taskset become the program: the process is the server's own.
    const words = ['netns', 'exec', `${this.prefix}s`, 'taskset', '-c', cores, ...command];
    const child = spawn('ip', words, { stdio: ['pipe', 'ignore', 'pipe'] });
    this.children.push(child);
    let complaint = '';
    child.stderr!.on('data', (text: Buffer) => {
      complaint = `${complaint}${text}`.slice(-2000);
    });
    await poll(
      `an answer of ${name}: ${complaint}`,
      () => {
        if (child.exitCode !== null) throw new Error(`${name} ended: ${complaint}`);
        return this.dig(port).includes('status: NOERROR') || undefined;
      },
      { timeout: 30_000, interval: 200 },
    );
    return { name, port, child };
  }

  private dig(port: number): string {
    const words = [`@${SERVER}`, '-p', String(port), '+tries=1', '+time=1', `h1.${ZONE}`];
    try {
      return this.inside('dig', words);
    } catch {
      return '';
    }
  }

  private inside(file: string, args: readonly string[]): string {
    const words = ['netns', 'exec', `${this.prefix}c`, file, ...args];
    return execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** What comes back for what is sent, by kinds of query. */
  amplified({ port }: Running): readonly Amplified[] {
    const program = join(dirname(fileURLToPath(import.meta.url)), 'bench-amplify.mjs');
    return JSON.parse(this.inside(process.execPath, [program, SERVER, String(port), ZONE])) as Amplified[];
  }

  /** Asks as fast as it answers. Throws when more than one in ten is lost, as in no run of a server that works. */
  speed(server: Running, bySubnet: boolean, tries = 5): Speed {
    const before = processorTime(server.child.pid!);
    // Never where a server of ours has a thread.
    const cores = `0-${Math.max(0, SERVER_CORE - 2)}`;
    const words = ['-s', SERVER, '-p', String(server.port), '-d', this.queries, '-l', String(this.duration)];
    const load = ['-c', '8', '-T', '2', '-q', '300', '-t', '1'];
    const edns = bySubnet ? ['-e', '-E', SUBNET_OPTION] : [];
    const text = this.inside('taskset', ['-c', cores, 'dnsperf', ...words, ...load, ...edns]);
    const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
    const completed = number(/Queries completed:\s+(\d+)/);
    const sent = number(/Queries sent:\s+(\d+)/);
    const spent = processorTime(server.child.pid!) - before;
    // On a busy machine the asker, or the server, may have had no time at all: that is no measurement.
    if ((sent === 0 || spent === 0) && tries > 1) return this.speed(server, bySubnet, tries - 1);
    if (!(completed > 0) || !/NOERROR \d+ \(100\.00%\)/.test(text))
      throw new Error(`${server.name}: ${text}`);
    if (sent - completed > sent / 10) throw new Error(`${server.name}: ${sent - completed} of ${sent} lost`);
    return {
      rate: number(/Queries per second:\s+([\d.]+)/),
      perProcessor: completed / spent,
    };
  }

  async close(): Promise<void> {
    const ended = this.children.map(
      child => new Promise(resolve => (child.exitCode === null ? child.once('exit', resolve) : resolve(0))),
    );
    for (const child of this.children) child.kill('SIGKILL');
    await Promise.all(ended);
    for (const side of ['s', 'c']) ip('netns', 'delete', this.prefix + side);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const ip = (...words: readonly string[]): void => void execFileSync('ip', words, { stdio: 'pipe' });

/** Seconds of processor time of all threads of a process, in user space and in the kernel (proc(5), USER_HZ = 100). */
function processorTime(pid: number): number {
  let ticks = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const fields = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

const residentOf = ({ child }: Running): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
