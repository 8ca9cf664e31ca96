/**
 * The whole manager as a process, in a cell of the real kernel, and servers that register with it by the packed SDK.
 *
 *     client 10.9.0.2 ──── 10.9.0.1 appliance 10.1.0.1 ──── 10.1.0.11, .12 … servers
 *
 * The client routes VIPs (10.255.0.0/24) to the appliance. dist/ must be built (`npm test` does it).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type LongProcess, type Namespace, Network, poll } from './netns.ts';

const root = resolve(import.meta.dirname, '../..');
export const PROGRAM = join(root, 'dist/bivouac.mjs');
const SDK = join(root, 'sdk/dist/index.cjs');

/** A row of `bivouac show … --json`. */
export type ShownRow = Readonly<Record<string, string | number | boolean>>;

/** An event of a server's registration, as the SDK told it. */
export interface Told {
  readonly event: 'state' | 'lease' | 'service' | 'lost' | 'refused';
  readonly [field: string]: unknown;
}

/** One appliance between a client and servers, with a mission's certificates. */
export class DaemonCell {
  readonly network = new Network();
  readonly directory = mkdtempSync(join(tmpdir(), 'bvd-'));
  readonly client = this.network.namespace('client');
  readonly appliance = this.network.namespace('appl');
  readonly lan: Namespace;

  constructor() {
    const { network, client, appliance } = this;
    network.veth(
      { in: client, name: 'eth0', addresses: ['10.9.0.2/24'] },
      { in: appliance, name: 'core', addresses: ['10.9.0.1/24'] },
    );
    this.lan = network.lan('lan', { in: appliance, name: 'lan', addresses: ['10.1.0.1/24', 'fd01::1/64'] });
    client.ipBatch(['route add 10.255.0.0/24 via 10.9.0.1', 'route add 10.1.0.0/24 via 10.9.0.1']);
  }

  /** Runs `bivouac` with these words to its end, as an operator does; throws with what it said when it fails. */
  bivouac(...words: readonly string[]): string {
    return execFileSync(process.execPath, [PROGRAM, ...words], { encoding: 'utf8', stdio: 'pipe' });
  }

  /** Makes a mission's authority in the directory `name`, and the manager's certificate. */
  mission(name: string): string {
    const directory = join(this.directory, name);
    this.bivouac('pki', 'init', directory, '--mission', name);
    this.bivouac('pki', 'issue', directory, '--name', 'manager', '--role', 'manager');
    return directory;
  }

  /** Issues a server's certificate; `claims` are the words of `bivouac pki issue`. */
  certificate(mission: string, name: string, ...claims: readonly string[]): string {
    const words = claims.length === 0 ? ['--any'] : claims;
    this.bivouac('pki', 'issue', mission, '--name', name, '--role', 'server', ...words);
    return join(mission, name);
  }

  /** A server's namespace, its default route by the appliance. */
  host(last: number): Namespace {
    const namespace = this.network.namespace(`s${last}`);
    this.network.plug(this.lan, {
      in: namespace,
      name: 'eth0',
      addresses: [`10.1.0.${last}/24`, `fd01::${last}/64`],
    });
    namespace.ip('route add default via 10.1.0.1');
    return namespace;
  }

  daemon(settings: object = {}, namespace = this.appliance): Daemon {
    return new Daemon(namespace, mkdtempSync(join(this.directory, 'm-')), settings);
  }

  async dispose(): Promise<void> {
    await this.network.dispose();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** One manager: its configuration, its directory and its process, which may be started again and again. */
export class Daemon {
  readonly directory: string;
  readonly file: string;
  readonly namespace: Namespace;
  /** Words before the program's: what takes privileges from it, say. */
  before: readonly string[] = [];
  private process: LongProcess | undefined;
  private config: object;

  constructor(namespace: Namespace, directory: string, settings: object) {
    this.namespace = namespace;
    this.directory = directory;
    this.file = join(directory, 'bivouac.json');
    this.config = {
      name: 'cell-a',
      state: join(directory, 'state'),
      pools: ['10.255.0.0/28'],
      plain: !('tls' in settings),
      routing: { driver: 'none' },
      operator: { socket: join(directory, 'sock') },
      // What a busy machine makes late is no fault of a server.
      sessions: { grace: 5000, heartbeat: 2000 },
      ...settings,
    };
    this.configure({});
  }

  /** Writes the configuration with these changes; a running manager takes it up at reload(). */
  configure(changes: object): void {
    this.config = { ...this.config, ...changes };
    writeFileSync(this.file, JSON.stringify(this.config, null, 2));
  }

  /** Starts it and waits until it says that it is ready, for `limit` ms; gives its pid. */
  async start(limit = 60_000): Promise<number> {
    const [program = '', ...words] = [
      ...this.before,
      process.execPath,
      PROGRAM,
      'run',
      '--config',
      this.file,
    ];
    const started = this.namespace.spawn(program, words);
    this.process = started;
    let over: number | undefined;
    void started.exited.then(status => {
      over = status;
    });
    await poll(
      () => over !== undefined || started.stderr().includes('>ready '),
      limit,
      'the manager is ready',
    );
    if (over !== undefined) throw new Error(`the manager ended with ${over}: ${started.stderr()}`);
    return started.pid;
  }

  /** Starts it and waits until it has ended by itself. */
  async startInVain(): Promise<{ readonly status: number; readonly log: string }> {
    const { status, stderr } = await this.namespace.run(process.execPath, [
      PROGRAM,
      'run',
      '--config',
      this.file,
    ]);
    return { status, log: stderr };
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    return this.process!.stop(signal);
  }

  /** SIGHUP, and waits until the log has said what came of it. */
  async reload(): Promise<void> {
    const before = this.log().length;
    process.kill(this.process!.pid, 'SIGHUP');
    await poll(() => /reloaded|not-reloaded/.test(this.log().slice(before)), 30_000, 'reloaded');
  }

  /** What its present run has logged. */
  log(): string {
    return this.process!.stderr();
  }

  get pid(): number {
    return this.process!.pid;
  }

  /** Resident memory, MB. */
  rss(): number {
    const status = readFileSync(`/proc/${this.process!.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  /** The rows of a view, from the operator's socket. */
  show(what: string): Promise<readonly ShownRow[]> {
    return new Promise((resolve, reject) => {
      let text = '';
      const socket = connect(join(this.directory, 'sock'), () => socket.write(`{"show":"${what}"}\n`));
      socket.setEncoding('utf8').on('data', part => {
        text += part;
      });
      socket.on('error', reject).on('end', () => {
        const answer = JSON.parse(text) as { rows?: ShownRow[]; error?: string };
        if (answer.rows) resolve(answer.rows);
        else reject(new Error(answer.error));
      });
    });
  }

  /** Polls a view until a row fits; gives that row. */
  async until(what: string, fits: Partial<ShownRow>, timeout = 30_000): Promise<ShownRow> {
    let rows: readonly ShownRow[] = [];
    const find = async (): Promise<ShownRow | undefined> => {
      rows = await this.show(what).catch(() => []);
      return rows.find(row => Object.entries(fits).every(([key, value]) => row[key] === value));
    };
    try {
      return await poll(find, timeout, `${what}: ${JSON.stringify(fits)}`);
    } catch (error) {
      throw new Error(`${(error as Error).message}\nshown: ${JSON.stringify(rows)}\nlog: ${this.log()}`);
    }
  }

  /** Waits until its stored state holds so many services that are up. */
  async stored(services: number): Promise<void> {
    const state = join(this.directory, 'state');
    const up = (): number =>
      readdirSync(state)
        .filter(name => /^servers-\d+\.json$/.test(name))
        .map(name => readFileSync(join(state, name), 'utf8').split('"state": "up"').length - 1)
        .reduce((sum, count) => sum + count, 0);
    await poll(() => up() === services, 30_000, `${services} services are stored`);
  }

  /** GET of the operator's HTTP: status and body. */
  async get(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const script = `require('http').get('http://127.0.0.1:9748${path}', r => { let t = ''; r.on('data', d => t += d).on('end', () => console.log(JSON.stringify({ status: r.statusCode, body: t }))); })`;
    const { stdout } = await this.namespace.run(process.execPath, ['-e', script]);
    return JSON.parse(stdout) as { status: number; body: string };
  }
}

/** What a server is: a TCP service that says its name and echoes, and its registration. */
export interface ServerOptions {
  /** Port that it listens on; default 80. */
  readonly port?: number;
  /** Paths of its certificate and key without their endings; absent: plain TCP. */
  readonly certificate?: string;
  /** The authority that it trusts; default that beside its certificate. */
  readonly ca?: string;
  readonly name?: string;
  readonly services?: readonly object[];
  readonly manager?: string;
  /** `relocate ADDRESS` tells it where it is from then on. */
  readonly roams?: boolean;
}

const SERVER = `
const [sdk, text] = process.argv.slice(1);
const { Registration } = require(sdk);
const { name, port, options, roams } = JSON.parse(text);
let place = options.manager;
if (roams) options.manager = async () => [{ address: place, port: 9746 }];
const net = require('net');
const open = new Set();
let server;
const tell = event => console.log(JSON.stringify(event));
const listen = () => {
  server = net.createServer(s => {
    open.add(s);
    s.on('error', () => {}).on('close', () => open.delete(s));
    s.write(name + '\\n');
    s.on('data', d => s.write(d));
  }).listen(port, '::', () => tell({ event: 'listening' }));
};
const registration = new Registration(options);
for (const event of ['state', 'lease', 'service', 'lost', 'refused'])
  registration.on(event, what => tell({ event, ...what }));
const commands = {
  listen,
  close: () => { server.close(); for (const s of open) s.destroy(); },
  drain: () => registration.drain(),
  withdraw: () => registration.withdraw(),
  stop: () => registration.stop().then(() => process.exit()),
  report: text => registration.report(JSON.parse(text)),
  relocate: address => { place = address; registration.relocate(); },
};
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  const [verb, ...rest] = line.split(' ');
  commands[verb](rest.join(' '));
});
listen();
registration.start();
`;

/** A server's process. */
export class Server {
  readonly process: LongProcess;

  constructor(namespace: Namespace, options: ServerOptions = {}) {
    const { port = 80, certificate, name = 'web1', services, manager = '10.1.0.1' } = options;
    const read = (path: string): string => readFileSync(path, 'utf8');
    const tls = certificate && {
      ca: read(options.ca ?? join(certificate, '../ca.pem')),
      certificate: read(`${certificate}.pem`),
      key: read(`${certificate}.key`),
    };
    const web = {
      name: 'www.mission',
      protocol: 'http',
      ports: 80,
      check: { kind: 'tcp', interval: 500, timeout: 450 },
    };
    const registration = { name, manager, services: services ?? [web], ...(tls && { tls }) };
    this.process = namespace.node(SERVER, [
      SDK,
      JSON.stringify({ name, port, options: registration, roams: options.roams }),
    ]);
  }

  /** Everything that it was told, in order. */
  told(): readonly Told[] {
    return this.process
      .stdout()
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Told);
  }

  /** Waits until it was told something with these fields, after the first `skip` events; gives that. */
  async until(fields: object, timeout = 30_000, skip = 0): Promise<Told> {
    const find = (): Told | undefined =>
      this.told()
        .slice(skip)
        .find(event => Object.entries(fields).every(([key, value]) => event[key] === value));
    try {
      return await poll(find, timeout, `told ${JSON.stringify(fields)}`);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.process.stdout()}${this.process.stderr()}`);
    }
  }

  /** Waits until its service is up; gives its VIP. */
  async up(timeout?: number): Promise<string> {
    const { vip } = await this.until({ event: 'service', state: 'up' }, timeout);
    return String(vip);
  }

  do(command: string): void {
    this.process.write(`${command}\n`);
  }
}

const CLIENT = `
const [vip, port, count] = process.argv.slice(1);
const tally = {};
let left = Number(count);
const next = () => {
  if (left-- === 0) return console.log(JSON.stringify(tally));
  const s = require('net').connect(port, vip);
  let said = '';
  const done = what => { tally[what] = (tally[what] || 0) + 1; s.destroy(); next(); };
  s.setTimeout(20_000, () => done('timeout'));
  s.on('data', d => { said += d; if (said.endsWith('\\n')) done(said.trim()); });
  s.on('error', e => done(e.code));
};
next();
`;

/** Connects `count` times to a VIP, one after another; gives how many each server (or error) answered. */
export async function answers(
  from: Namespace,
  vip: string,
  count = 1,
  port = 80,
): Promise<Readonly<Record<string, number>>> {
  const client = from.node(CLIENT, [vip, String(port), String(count)]);
  await client.exited;
  return JSON.parse(client.stdout()) as Record<string, number>;
}

const FLOWS = `
const [vip, count] = process.argv.slice(1);
let open = 0, ended = 0;
const heard = new Set();
for (let i = 0; i < count; i++) {
  const s = require('net').connect(80, vip);
  s.once('data', () => {
    open++;
    s.on('data', () => heard.add(s));
    setInterval(() => s.write('x'), 100);
  });
  s.on('error', () => {}).on('close', () => ended++);
}
setInterval(() => { console.log(JSON.stringify({ open, ended, echoing: heard.size })); heard.clear(); }, 250);
`;

/** Established connections through a VIP, each of which says a word each 100 ms. */
export class Flows {
  private readonly process: LongProcess;

  constructor(from: Namespace, vip: string, count: number) {
    this.process = from.node(FLOWS, [vip, String(count)]);
  }

  /** The newest sample: how many opened, how many ended, and how many had an echo in the last 250 ms. */
  last(): { readonly open: number; readonly ended: number; readonly echoing: number } {
    const line = this.process.stdout().trim().split('\n').at(-1);
    return line ? JSON.parse(line) : { open: 0, ended: 0, echoing: 0 };
  }
}

/** The network of a namespace as text: rules, addresses, routes, nf_tables, and the sysctls under net. */
export function snapshot(namespace: Namespace): Readonly<Record<string, string>> {
  return {
    nft: namespace.runSync('nft', ['-s', 'list', 'ruleset']),
    addresses: namespace.ip('-o addr').replaceAll(/(valid|preferred)_lft \S+/g, ''),
    routes: namespace.ip('route show table all'),
    routes6: namespace.ip('-6 route show table all').replaceAll(/ expires \S+/g, ''),
    rules: namespace.ip('rule') + namespace.ip('-6 rule'),
    sysctls: namespace
      .runSync('sh', [
        '-c',
        "sysctl -a 2>/dev/null | grep -E '^net\\.(ipv[46]\\.(ip_forward|conf)|netfilter)'",
      ])
      .split('\n')
      .filter(line => !/stable_secret|conntrack_count|mtu/.test(line))
      .join('\n'),
  };
}
