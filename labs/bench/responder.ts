/**
 * The responder's figures: anycast ARP on the link beside the kernel's ARP and a bare cap responder, over UDP beside a bare echo.
 * Ours and its peer answer in turn, run by run, in namespaces of their own; the generator has a namespace for each.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Figure, ratios, sample } from './figure.ts';
import type { RoleOptions } from './responder-role.ts';

const SERVERS = ['responder', 'bare-cap', 'bare-udp'] as const;
type Server = (typeof SERVERS)[number];

export interface ResponderBenchOptions {
  /** How often each is measured. */
  readonly runs: number;
  /** ms of one measurement of a rate. */
  readonly duration?: number;
  /** Round trips of one measurement. */
  readonly count?: number;
  /** Kernel-side ring of both responders on the link, bytes; the queries under way never overflow it. */
  readonly ring?: number;
  readonly window?: number;
}

/** Measures; needs root. Throws when an answer was lost, for then it is no rate without loss. */
export async function responderFigures(options: ResponderBenchOptions): Promise<Figure[]> {
  const { runs, duration = 400, count = 300, ring = 8 << 20, window = 64 } = options;
  const prefix = `bvb${process.pid}`;
  const children: ChildProcess[] = [];
  const roleOptions = (server: Server, side: 'own' | 'peer'): RoleOptions => {
    const net = SERVERS.indexOf(server);
    const [here, there] = [`10.66.${net}.1`, `10.66.${net}.2`];
    return {
      link: side === 'own' ? 's0' : 'c0',
      own: (side === 'own' ? here : there) as RoleOptions['own'],
      peer: (side === 'own' ? there : here) as RoleOptions['peer'],
      vip: '10.9.0.1' as RoleOptions['vip'],
      port: 9747,
      ring,
      window,
      duration,
      count,
    };
  };
  try {
    for (const server of SERVERS) {
      makePair(`${prefix}${server}`, roleOptions(server, 'own').own, roleOptions(server, 'peer').own);
      const child = role(`${prefix}${server}s`, server, roleOptions(server, 'own'));
      children.push(child);
      await firstLine(child, server);
    }
    const measure = async <T>(server: Server, name: string): Promise<T> => {
      const child = role(`${prefix}${server}c`, name, roleOptions(server, 'peer'));
      children.push(child);
      return JSON.parse(await firstLine(child, name)) as T;
    };
    const rate = async (server: Server, name: string): Promise<number> => {
      const { rate, lost } = await measure<{ rate: number; lost: number }>(server, name);
      if (lost > 0) throw new Error(`${name} of ${server}: ${lost} answers were lost`);
      return rate;
    };
    const median = async (server: Server, name: string): Promise<number> =>
      sample(await measure<number[]>(server, name)).median;

    // Once for nothing: code that has not run yet is not compiled yet.
    for (const server of SERVERS.slice(0, 2)) await rate(server, 'link-throughput');
    for (const server of ['responder', 'bare-udp'] as const) await rate(server, 'udp-throughput');

    const link = { ours: [] as number[], bare: [] as number[] };
    const trip = {
      ours: [] as number[],
      kernel: [] as number[],
      watched: [] as number[],
      bare: [] as number[],
    };
    const seen = { ours: [] as number[], kernel: [] as number[] };
    const udp = { ours: [] as number[], bare: [] as number[] };
    for (let run = 0; run < runs; run++) {
      trip.ours.push(await median('responder', 'link-round-trip'));
      trip.kernel.push(await median('bare-udp', 'arp-round-trip'));
      trip.watched.push(await median('responder', 'arp-round-trip'));
      trip.bare.push(await median('bare-cap', 'link-round-trip'));
      seen.ours.push(await median('responder', 'link-client'));
      seen.kernel.push(await median('bare-udp', 'arp-client'));
      link.ours.push(await rate('responder', 'link-throughput'));
      link.bare.push(await rate('bare-cap', 'link-throughput'));
      udp.ours.push(await rate('responder', 'udp-throughput'));
      udp.bare.push(await rate('bare-udp', 'udp-throughput'));
    }
    const [linkRatio, tripRatio, seenRatio, udpRatio] = [
      ratios(link.ours, link.bare),
      ratios(trip.ours, trip.kernel),
      ratios(seen.ours, seen.kernel),
      ratios(udp.ours, udp.bare),
    ];
    return [
      {
        name: 'anycast ARP on the link, round trip of a Node client (p50)',
        unit: 'µs',
        ours: sample(seen.ours),
        beside: [{ name: "the kernel's ARP reply to the same client", sample: sample(seen.kernel) }],
        ratio: seenRatio,
        goal: "< 3 × the kernel's",
        met: seenRatio.median < 3,
      },
      {
        // The kernel replies within the asker's own system call; whatever answers in a process has to be woken first, as the bare
        // responder shows, and on an interface where it listens the kernel's own replies wait for that waking too.
        name: 'anycast ARP on the link, round trip of a client that never sleeps (p50)',
        unit: 'µs',
        ours: sample(trip.ours),
        beside: [
          { name: "the kernel's ARP reply", sample: sample(trip.kernel) },
          { name: "the kernel's ARP reply where the responder listens", sample: sample(trip.watched) },
          { name: 'bare cap responder', sample: sample(trip.bare) },
        ],
        ratio: tripRatio,
        goal: "< 3 × the kernel's",
        met: tripRatio.median < 3,
      },
      {
        name: 'anycast ARP on the link, rate without loss',
        unit: '1/s',
        ours: sample(link.ours),
        beside: [{ name: 'bare cap responder', sample: sample(link.bare) }],
        ratio: linkRatio,
        goal: '≥ 0.9 × the bare one',
        met: linkRatio.median >= 0.9,
      },
      {
        name: 'anycast ARP over UDP, rate without loss',
        unit: '1/s',
        ours: sample(udp.ours),
        beside: [{ name: 'bare Node UDP echo', sample: sample(udp.bare) }],
        ratio: udpRatio,
        goal: '≥ 0.7 × the bare one',
        met: udpRatio.median >= 0.7,
      },
    ];
  } finally {
    for (const child of children) child.kill('SIGKILL');
    for (const server of SERVERS) {
      for (const side of ['s', 'c']) quietly(() => ip('netns', 'delete', `${prefix}${server}${side}`));
    }
  }
}

const ip = (...words: readonly string[]): void => void execFileSync('ip', words, { stdio: 'pipe' });

/** Two namespaces, `…s` for what answers and `…c` for what asks, with a veth between them. */
function makePair(name: string, server: string, client: string): void {
  ip('netns', 'add', `${name}s`);
  ip('netns', 'add', `${name}c`);
  ip(...`link add s0 netns ${name}s type veth peer name c0 netns ${name}c`.split(' '));
  for (const [side, at, link] of [
    ['s', server, 's0'],
    ['c', client, 'c0'],
  ]) {
    ip('-n', `${name}${side}`, 'addr', 'add', `${at}/24`, 'dev', link!);
    ip('-n', `${name}${side}`, 'link', 'set', link!, 'up');
  }
}

/** The role program stands beside this one when both are bundled. */
function role(namespace: string, name: string, options: RoleOptions): ChildProcess {
  const program = join(dirname(fileURLToPath(import.meta.url)), 'bench-responder.mjs');
  if (!existsSync(program)) throw new Error(`${program} is not there; run npm run build`);
  return spawn('ip', ['netns', 'exec', namespace, process.execPath, program, name, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function firstLine(child: ChildProcess, what: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.on('exit', status => reject(new Error(`${what} ended with status ${status} before its result`)));
  });
}

function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // It was not made, or is gone.
  }
}
