/** The manager under measurement: the real program, in a namespace, with a configuration and files of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace, Network } from '../../test/support/netns.ts';
import { poll } from '../scenario/poll.ts';
import { now } from './clock.ts';
import { bundles } from './role.ts';

export const REGISTRATION_PORT = 9746;

export interface BenchManager {
  readonly pid: number;
  /** From exec to the line that says it is ready, ms. */
  readonly startMs: number;
  /** All that it has logged. */
  log(): string;
  /** Writes these keys into the configuration and has it read again. */
  reload(change: object): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/**
 * Starts it in `directory`, where it keeps its state: again in the same one is a restart. Damping is off, since the benchmarks let
 * the same servers fail over and over. Throws with its log when it is not ready in time: in `patience` ms.
 */
export async function startManager(
  network: Network,
  namespace: Namespace,
  directory: string,
  config: object,
  patience = 10_000,
): Promise<BenchManager> {
  const file = join(directory, 'bivouac.json');
  const whole = {
    name: 'bench',
    plain: true,
    listen: [`0.0.0.0:${REGISTRATION_PORT}`],
    pools: ['10.50.0.0/16'],
    state: join(directory, 'state'),
    damping: { enabled: false },
    routing: { driver: 'none' },
    operator: { socket: join(directory, 'socket'), http: '127.0.0.1:9748' },
    ...config,
  };
  writeFileSync(file, JSON.stringify(whole));
  const begun = now();
  const child = spawn(
    'ip',
    [
      'netns',
      'exec',
      namespace.name,
      process.execPath,
      join(bundles, 'bivouac.mjs'),
      'run',
      '--config',
      file,
    ],
    // As bivouac.service has it.
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, MALLOC_ARENA_MAX: '1' } },
  );
  network.adopt(child);
  let log = '';
  let ready: number | undefined;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
    if (ready === undefined && log.includes('ready name=')) ready = now();
  });
  const startMs = await poll(
    'the manager is ready',
    () => {
      if (child.exitCode !== null) throw new Error(log.slice(-2000));
      return ready === undefined ? undefined : ready - begun;
    },
    { timeout: patience },
  );
  return {
    pid: child.pid!,
    startMs,
    log: () => log,
    async reload(change) {
      writeFileSync(file, JSON.stringify({ ...whole, ...change }));
      const before = log.length;
      child.kill('SIGHUP');
      await poll('the manager has reloaded', () => log.slice(before).includes('reloaded'));
    },
    stop: signal => end(child, signal),
  };
}

/** Resident memory of a process, in MB of 10^6 bytes (`ip netns exec` becomes the program that it runs). */
export const residentMegabytes = (pid: number): number =>
  (Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6;

/** Ends a process and waits for that. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise(resolve => child.once('exit', resolve));
  child.kill(signal);
  await exited;
}
