/**
 * Where DNS servers are measured: a namespace for all of them, each on cores that it is told (only the one that is asked works), and another
 * for who asks, on the other cores.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { poll } from '../scenario/poll.ts';
import { type DnsPeer, NAMES, type PeerOptions, ZONE } from './dns-peers.ts';
import type { Amplified } from './roles/amplify.ts';
import type { Loaded } from './roles/dns-load.ts';

const SERVER = '10.77.0.1';
const CLIENT = '10.77.0.2';
/** 10.0.9.0/24 as an EDNS option of dnsperf (RFC 7871 §6). */
const SUBNET_OPTION = '8:000118000a0009';
const CORES = availableParallelism();
/** Where servers are: one thread on the last core, two on the last two. Who asks has the others. */
const SERVER_CORE = CORES - 1;
export const coresFor = (threads: number): string =>
  threads === 1 ? `${SERVER_CORE}` : `${SERVER_CORE - 1},${SERVER_CORE}`;
const ASKERS = Math.max(1, SERVER_CORE - 1);

/** A server that runs. */
export interface Running {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/** Of one run: answers a second, and answers for each second of the server's own processor time. */
export interface Speed {
  readonly rate: number;
  readonly perProcessor: number;
}

export class DnsBed {
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

  /** A server of ours, whose answers are the same for everybody or differ in so many subnets. */
  ours(name: string, threads: number, subnets: number): Promise<Running> {
    const port = this.port++;
    const words = [SERVER, port, threads, NAMES, subnets].map(String);
    return this.start(name, port, coresFor(threads), [process.execPath, programOf('dns'), ...words]);
  }

  /** Another. */
  peer(render: (options: PeerOptions) => DnsPeer, subnets: number, threads = 1): Promise<Running> {
    const port = this.port++;
    const directory = join(this.directory, String(port));
    mkdirSync(directory, { recursive: true });
    const { name, command } = render({ directory, address: SERVER, port, subnets, threads });
    return this.start(name, port, coresFor(threads), command);
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
    const words = [programOf('amplify'), SERVER, String(port), ZONE];
    return JSON.parse(this.inside(process.execPath, words)) as Amplified[];
  }

  /** Asks by dnsperf as fast as it answers. Throws when more than one in ten is lost, as in no run of a server that works. */
  speed(server: Running, bySubnet: boolean, tries = 5): Speed {
    const before = processorTime(server.child.pid!);
    // Never where a server of ours has a thread.
    const cores = `0-${ASKERS - 1}`;
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

  /** Asks likewise by programs of our own (roles/dns-load.ts), one on each of the askers' cores, which can do more than dnsperf. */
  async load(server: Running, tries = 5): Promise<Speed & { readonly asking: number }> {
    const before = processorTime(server.child.pid!);
    const words = [process.execPath, programOf('dns-load'), SERVER, server.port, 1000 * this.duration].map(
      String,
    );
    const all = await Promise.all(
      Array.from({ length: ASKERS }, async (_, core): Promise<Loaded> => {
        const inside = ['netns', 'exec', `${this.prefix}c`, 'taskset', '-c', String(core), ...words];
        return JSON.parse((await promisify(execFile)('ip', inside)).stdout) as Loaded;
      }),
    );
    const spent = processorTime(server.child.pid!) - before;
    const sum = (of: (one: Loaded) => number): number => all.reduce((total, one) => total + of(one), 0);
    const answers = sum(one => one.answers);
    if ((answers === 0 || spent === 0) && tries > 1) return this.load(server, tries - 1);
    const wrong = sum(one => one.wrong);
    if (wrong > 0) throw new Error(`${server.name}: ${wrong} of ${answers} were no answers`);
    return {
      rate: sum(one => (1000 * one.answers) / one.lasted),
      perProcessor: answers / spent,
      asking: sum(one => one.spent / one.lasted) / ASKERS,
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

const programOf = (role: string): string =>
  join(dirname(fileURLToPath(import.meta.url)), `bench-${role}.mjs`);

/** Seconds of processor time of all threads of a process, in user space and in the kernel: the first number of schedstat is ns. */
function processorTime(pid: number): number {
  let spent = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`))
    spent += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  return spent / 1e9;
}

/** MB that a server has in memory. */
export const residentOf = ({ child }: Running): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
