/**
 * A set of FRR's daemons in a namespace, with sockets, files and logs in a directory of its own, so that many run side by side.
 * For tests and for the lab.
 *
 *     const frr = await startFrr({ namespace: a.name, directory, config: 'router ospf\n …', daemons: ['ospfd'] });
 *     await frr.vty('ospfd', 'show ip ospf neighbor');
 *     await frr.stop();
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chownSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openVty } from '../../appliance/host/vty.ts';

export type FrrDaemonName = 'zebra' | 'staticd' | 'bfdd' | 'ospfd' | 'ospf6d' | 'pimd';

export interface FrrOptions {
  /** Name of a network namespace; absent = this process's own. */
  readonly namespace?: string;
  /** Made if need be, and given to the user frr. Short: UNIX socket paths end at 107 bytes. */
  readonly directory: string;
  /** The whole configuration, as in an integrated frr.conf. */
  readonly config: string;
  /** Besides zebra, which always runs. */
  readonly daemons: readonly FrrDaemonName[];
  /** Restarts in good order are graceful (RFC 3623): ospfd is told before, zebra leaves its routes. The configuration has to allow it. */
  readonly graceful?: boolean;
  /** ospfd with its API server, for opaque LSAs. */
  readonly api?: boolean;
}

export interface FrrSet {
  readonly directory: string;
  readonly pids: () => readonly number[];
  /** A command to one daemon, in enable mode; throws with what it said when it refuses. */
  vty(daemon: FrrDaemonName, command: string): Promise<string>;
  /** The same, parsed: for `show … json`. */
  json(daemon: FrrDaemonName, command: string): Promise<unknown>;
  /** Ends the daemons (SIGKILL = a crash) and waits for that. Ended ones may be started again by restart(). */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Stops what runs, by this signal, and starts all with the same configuration. */
  restart(signal?: NodeJS.Signals): Promise<void>;
}

const BINARIES = '/usr/lib/frr';
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;
const run = promisify(execFile);

/** Starts the daemons; resolves when all answer and have the configuration. Throws with FRR's words when it refuses a line. */
export async function startFrr(options: FrrOptions): Promise<FrrSet> {
  const { directory, namespace, config, graceful = false, api = false } = options;
  const names: readonly FrrDaemonName[] = ['zebra', ...options.daemons.filter(name => name !== 'zebra')];
  const children = new Map<FrrDaemonName, ChildProcess>();
  prepare(directory, config);

  const launch = (name: FrrDaemonName): ChildProcess => {
    const args = [
      ...[
        '-i',
        join(directory, `${name}.pid`),
        '-z',
        join(directory, 'zserv.api'),
        '--vty_socket',
        directory,
      ],
      // An empty file instead of the system's; -P 0: no TCP port.
      ...['-f', join(directory, 'empty.conf'), '-P', '0', '--log', `file:${join(directory, `${name}.log`)}`],
    ];
    const binary = join(BINARIES, name);
    // Without -K the new zebra takes out whatever its predecessor left, unless a second begins between its start and its reading of them.
    if (graceful && name === 'zebra') args.push('-r', '-K', '60');
    if (api && name === 'ospfd') args.push('-a');
    // ospfd keeps what it must know after a restart at one place, whatever the namespace (`ip netns exec` gives each its own mounts).
    const own = `mount --bind ${join(directory, 'run')} /run/frr && exec "$@"`;
    const inner = graceful ? ['sh', '-c', own, 'sh', binary, ...args] : [binary, ...args];
    const [file = '', ...words] =
      namespace === undefined ? inner : ['ip', 'netns', 'exec', namespace, ...inner];
    return spawn(file, words, { stdio: 'ignore' });
  };

  const start = async (): Promise<void> => {
    for (const name of names) {
      rmSync(join(directory, `${name}.vty`), { force: true });
      children.set(name, launch(name));
      await answers(directory, name, children.get(name)!);
    }
    const { stdout, stderr } = await run('vtysh', [
      '--vty_socket',
      directory,
      '--config_dir',
      directory,
      '-b',
    ]);
    const said = `${stdout}${stderr}`.trim();
    if (/^%|[Ee]rror|line \d+/m.test(said)) throw new Error(`FRR refused its configuration: ${said}`);
  };

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    await Promise.all([...children.values()].map(child => end(child, signal)));
    children.clear();
  };

  const vty: FrrSet['vty'] = async (daemon, command) => {
    const session = await openVty(join(directory, `${daemon}.vty`), () => {});
    try {
      await session.command('enable');
      const { status, text } = await session.command(command);
      if (status > 1) throw new Error(`${daemon}: '${command}': ${text.trim() || `status ${status}`}`);
      return text;
    } finally {
      session.close();
    }
  };

  /** Waits until the neighbours have what ospfd has told them last: it ends without waiting for that itself, or even for having sent it. */
  const acknowledged = async (): Promise<void> => {
    const limit = performance.now() + STOP_LIMIT_MS;
    while (/"retransmitCounter":[1-9]/.test(await vty('ospfd', 'show ip ospf neighbor json'))) {
      if (performance.now() > limit) throw new Error("ospfd's neighbours acknowledge nothing");
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  };

  try {
    await start();
  } catch (error) {
    await stop('SIGKILL');
    throw error;
  }
  return {
    directory,
    pids: () => [...children.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    vty,
    json: async (daemon, command) => JSON.parse((await vty(daemon, command)) || 'null'),
    stop,
    async restart(signal) {
      if (graceful && signal === undefined) {
        await vty('ospfd', 'graceful-restart prepare ip ospf');
        await acknowledged();
      }
      await stop(signal);
      await start();
    },
  };
}

function prepare(directory: string, config: string): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'empty.conf'), '');
  writeFileSync(join(directory, 'frr.conf'), config);
  writeFileSync(join(directory, 'vtysh.conf'), 'service integrated-vtysh-config\n');
  // FRR drops to its own user; its system directory belongs to that one.
  const { uid, gid } = statSync('/etc/frr');
  mkdirSync(join(directory, 'run'), { recursive: true });
  for (const path of ['', 'run', 'empty.conf', 'frr.conf', 'vtysh.conf'])
    chownSync(join(directory, path), uid, gid);
}

async function answers(directory: string, name: FrrDaemonName, child: ChildProcess): Promise<void> {
  const limit = performance.now() + START_LIMIT_MS;
  for (;;) {
    try {
      const session = await openVty(join(directory, `${name}.vty`), () => {});
      session.close();
      return;
    } catch (error) {
      const gone = child.exitCode ?? child.signalCode;
      if (gone !== null) throw new Error(`${name} ended at once (${gone}): see ${directory}/${name}.log`);
      if (performance.now() > limit) throw new Error(`${name} does not answer: ${(error as Error).message}`);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise(resolve => {
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    child.once('exit', () => {
      clearTimeout(force);
      resolve();
    });
    child.kill(signal);
  });
}
