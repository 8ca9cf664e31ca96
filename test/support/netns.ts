/**
 * Networks of the real kernel for tests: namespaces with unique names, veth pairs, bridges, processes inside. A `Network` removes
 * all that was made through it, also after a failure, also when the worker exits; what a killed run left behind is swept by the next.
 *
 *     const network = new Network();
 *     afterAll(() => network.dispose());
 *     const [client, router] = [network.namespace('client'), network.namespace('router')];
 *     network.veth({ in: client, name: 'eth0', addresses: ['10.0.0.2/24'] }, { in: router, name: 'lan', addresses: ['10.0.0.1/24'] });
 *     client.ip('route add default via 10.0.0.1');
 *     await client.run('ping', ['-c1', '10.0.0.1']);
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync } from 'node:fs';
import koffi from 'koffi';

/** Names begin with the worker's pid, so that a later run knows whether their maker still lives. */
const PREFIX = 'bvt';
const CLONE_NEWNET = 0x40000000;

export interface RunResult {
  /** Exit status; -1 when ended by a signal or by the timeout. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that stays until stop(), or until its network is disposed. */
export interface LongProcess {
  readonly pid: number;
  /** All that it has written so far, stdout and stderr apart. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly write: (text: string) => void;
  /** Settles with its exit status (-1 for a signal). */
  readonly exited: Promise<number>;
  readonly stop: (signal?: NodeJS.Signals) => Promise<number>;
}

/** One end of a veth pair. */
export interface End {
  readonly in: Namespace;
  /** Interface name, ≤ 15 characters. */
  readonly name: string;
  readonly addresses?: readonly string[];
  readonly mac?: string;
}

/** Waits until `condition` gives something truthy, and gives that. Throws after `timeout` ms, naming `what`. */
export async function poll<T>(
  condition: () => T | Promise<T>,
  timeout = 30_000,
  what = condition.toString(),
  interval = 10,
): Promise<NonNullable<T>> {
  const end = performance.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value as NonNullable<T>;
    if (performance.now() > end) throw new Error(`not within ${timeout} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, interval));
  }
}

export class Namespace {
  /** As `ip netns` knows it. */
  readonly name: string;
  private readonly network: Network;

  constructor(network: Network, name: string) {
    this.network = network;
    this.name = name;
  }

  /** Runs `ip` inside, with the words of `command`; throws with its complaint. */
  ip(command: string): string {
    return sync('ip', ['-n', this.name, ...command.split(' ')]);
  }

  /** Runs many `ip` commands inside by one process. */
  ipBatch(commands: readonly string[]): void {
    sync('ip', ['-n', this.name, '-batch', '-'], `${commands.join('\n')}\n`);
  }

  /** Runs a program inside to its end, blocking; gives its stdout, throws with its stderr when it fails. */
  runSync(file: string, args: readonly string[] = [], input?: string): string {
    return sync('ip', ['netns', 'exec', this.name, file, ...args], input);
  }

  /** Sets sysctls, by their dotted names (slashes where a name holds a dot). */
  sysctl(values: Readonly<Record<string, number | string>>): void {
    const words = Object.entries(values).map(([key, value]) => `${key}=${value}`);
    this.runSync('sysctl', ['-q', '-w', ...words]);
  }

  /** Runs a program inside to its end. Rejects only when it cannot be started. */
  run(
    file: string,
    args: readonly string[] = [],
    options: { readonly input?: string; readonly timeout?: number } = {},
  ): Promise<RunResult> {
    const process = this.spawn(file, args);
    if (options.input !== undefined) process.write(options.input);
    process.end();
    const timer = setTimeout(() => void process.stop('SIGKILL'), options.timeout ?? 60_000);
    return process.exited.then(status => {
      clearTimeout(timer);
      return { status, stdout: process.stdout(), stderr: process.stderr() };
    });
  }

  /** Starts a program inside that stays. */
  spawn(file: string, args: readonly string[] = []): LongProcess & { readonly end: () => void } {
    const child = spawn('ip', ['netns', 'exec', this.name, file, ...args], { stdio: 'pipe' });
    this.network.adopt(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin.on('error', () => {});
    const exited = new Promise<number>((resolve, reject) => {
      child.on('close', code => resolve(code ?? -1));
      child.on('error', reject);
    });
    return {
      pid: child.pid ?? -1,
      stdout: () => stdout,
      stderr: () => stderr,
      write: text => void child.stdin.write(text),
      end: () => void child.stdin.end(),
      exited,
      stop: (signal = 'SIGTERM') => {
        child.kill(signal);
        return exited;
      },
    };
  }

  /** Starts Node inside with a script given as text (CommonJS; `process.argv.slice(1)` holds the arguments). */
  node(script: string, args: readonly string[] = []): LongProcess {
    return this.spawn(process.execPath, ['-e', script, ...args]);
  }

  /**
   * Takes the calling thread into this namespace, and gives the way back. Sockets, netlink and children made by the main thread
   * are then in here; the file-system thread pool is not. For the code under test that runs within the test's own process.
   */
  enter(): () => void {
    const back = openSync('/proc/thread-self/ns/net', 'r');
    switchTo(`/run/netns/${this.name}`);
    return () => {
      setns(back);
      closeSync(back);
    };
  }

  /** Runs a synchronous function with the thread inside this namespace. */
  within<T>(run: () => T): T {
    const leave = this.enter();
    try {
      return run();
    } finally {
      leave();
    }
  }
}

export class Network {
  private readonly namespaces: Namespace[] = [];
  private readonly children = new Set<ChildProcess>();
  private readonly onExit = (): void => this.remove();

  constructor() {
    if (process.getuid?.() !== 0) throw new Error('tests of the real kernel need root');
    sweep();
    process.on('exit', this.onExit);
  }

  /** A new namespace with lo up, and no duplicate address detection (so that IPv6 addresses work at once). */
  namespace(label: string): Namespace {
    const name = `${PREFIX}${process.pid}-${counter++}-${label}`;
    sync('ip', ['netns', 'add', name]);
    const namespace = new Namespace(this, name);
    this.namespaces.push(namespace);
    namespace.ip('link set lo up');
    namespace.sysctl({ 'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.default.accept_dad': 0 });
    return namespace;
  }

  /** A veth pair, both ends up and addressed. */
  veth(a: End, b: End): void {
    sync('ip', [
      ...`link add ${a.name} netns ${a.in.name} type veth peer name ${b.name} netns ${b.in.name}`.split(' '),
    ]);
    for (const end of [a, b]) {
      end.in.ipBatch([
        ...(end.mac === undefined ? [] : [`link set ${end.name} address ${end.mac}`]),
        `link set ${end.name} up`,
        ...(end.addresses ?? []).map(
          address => `addr add ${address} dev ${end.name}${address.includes(':') ? ' nodad' : ''}`,
        ),
      ]);
    }
  }

  /** A switch: a bridge in a namespace of its own (which it gives), and a veth from it to each end. */
  lan(label: string, ...ends: readonly End[]): Namespace {
    const namespace = this.namespace(label);
    namespace.ipBatch(['link add br0 type bridge forward_delay 0 mcast_snooping 0', 'link set br0 up']);
    for (const end of ends) this.plug(namespace, end);
    return namespace;
  }

  /** Adds one more end to a switch that lan() made. */
  plug(lan: Namespace, end: End): void {
    const port = `p${counter++}`;
    this.veth({ in: lan, name: port }, end);
    lan.ip(`link set ${port} master br0`);
  }

  /** Ends every process and removes every namespace that was made through this network. Never throws. */
  async dispose(): Promise<void> {
    const ended = [...this.children].map(
      child => new Promise(resolve => (gone(child) ? resolve(0) : child.on('close', resolve))),
    );
    this.remove();
    await Promise.race([Promise.all(ended), new Promise(resolve => setTimeout(resolve, 2000))]);
    process.off('exit', this.onExit);
  }

  /** Not for tests: a process that dispose() is to end. */
  adopt(child: ChildProcess): void {
    this.children.add(child);
    child.on('close', () => this.children.delete(child));
  }

  private remove(): void {
    for (const child of this.children) if (!gone(child)) child.kill('SIGKILL');
    for (const { name } of this.namespaces.splice(0)) removeNamespace(name);
  }
}

let counter = 0;
const gone = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

function sync(file: string, args: readonly string[], input?: string): string {
  try {
    return execFileSync(file, args, { encoding: 'utf8', stdio: 'pipe', timeout: 60_000, input: input ?? '' });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(`${file} ${args.join(' ')}: ${stderr?.trim() || message}`);
  }
}

/** Removes a namespace of our own making and whatever still runs in it (a grandchild that its parent left). */
function removeNamespace(name: string): void {
  try {
    for (const pid of sync('ip', ['netns', 'pids', name]).split('\n').map(Number)) {
      if (pid > 0 && pid !== process.pid) kill(pid);
    }
    sync('ip', ['netns', 'delete', name]);
  } catch {
    // It is gone already.
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

/** Removes the namespaces of workers that were killed before they could. */
function sweep(): void {
  for (const name of list('/run/netns')) {
    const pid = name.match(/^bvt(\d+)-/)?.[1];
    if (pid !== undefined && !list('/proc').includes(pid)) removeNamespace(name);
  }
}

function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

type Setns = (fd: number, type: number) => number;
let call: Setns | undefined;

function setns(fd: number): void {
  call ??= koffi.load('libc.so.6').func('int setns(int fd, int nstype)') as unknown as Setns;
  if (call(fd, CLONE_NEWNET) !== 0) throw new Error(`setns: errno ${koffi.errno()}`);
}

function switchTo(path: string): void {
  const fd = openSync(path, 'r');
  try {
    setns(fd);
  } finally {
    closeSync(fd);
  }
}
