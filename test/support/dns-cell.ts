/**
 * The DNS server as a program (test/netns/programs/dns-server.ts) in a namespace of its own, and a client beside it.
 *
 *     client 10.9.0.2, 10.1.0.2, fd09::2 ──── server 10.9.0.1, 10.9.0.100, fd09::1, fd09::100
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { type LongProcess, type Namespace, Network, poll } from './netns.ts';

const root = resolve(import.meta.dirname, '../..');

/** It ends when its input does. */
export type ServerProcess = LongProcess & { readonly end: () => void };

export class DnsCell {
  readonly network = new Network();
  readonly appliance: Namespace;
  readonly client: Namespace;
  /** A directory of this test's own. */
  readonly work = mkdtempSync(join(tmpdir(), 'bvt-dns-'));
  /** Below the repository, so that it finds its packages. */
  private readonly built = mkdtempSync(join(root, 'node_modules/.bvt-dns-'));
  readonly program = join(this.built, 'dns-server.mjs');

  constructor() {
    this.appliance = this.network.namespace('gslb');
    this.client = this.network.namespace('client');
    this.network.veth(
      {
        in: this.appliance,
        name: 'core',
        addresses: ['10.9.0.1/24', '10.9.0.100/24', 'fd09::1/64', 'fd09::100/64'],
      },
      { in: this.client, name: 'eth0', addresses: ['10.9.0.2/24', '10.1.0.2/24', 'fd09::2/64'] },
    );
    this.appliance.ip('route add 10.1.0.0/24 via 10.9.0.2');
  }

  async build(): Promise<void> {
    await build({
      ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20' },
      ...{ logLevel: 'silent', packages: 'external' },
      entryPoints: [join(root, 'test/netns/programs/dns-server.ts')],
      outfile: this.program,
    });
  }

  /** Starts a server with so many workers, which knows www.cell; `args` as the program has them. */
  async start(...args: readonly string[]): Promise<ServerProcess> {
    const started = this.appliance.spawn(process.execPath, [this.program, ...args]);
    await poll(
      () => started.stdout().includes('ready') || started.stderr().includes('Error'),
      60_000,
      'ready',
    );
    await tell(started, 'www.cell 10.0.0.1 10.0.0.2 fd00::1');
    return started;
  }

  /** What dig says, asked by the client; 10.9.0.1 is asked unless the words name another. */
  async dig(...words: readonly string[]): Promise<string> {
    // Of two servers on its command line dig asks the first.
    const at = words.some(word => word.startsWith('@')) ? [] : ['@10.9.0.1'];
    const { stdout, stderr } = await this.client.run('dig', [...at, '+tries=1', '+time=15', ...words]);
    return stdout + stderr;
  }

  async short(...words: readonly string[]): Promise<string[]> {
    return (await this.dig('+short', ...words)).trim().split('\n');
  }

  /** Starts a stock name server at the client's address 10.9.0.2, with a directory and a configuration of its own. */
  stock(name: string, { command, args, file, files = {} }: StockServer): LongProcess {
    const directory = this.directory(name);
    for (const [base, text] of Object.entries({ ...files, conf: file }))
      writeFileSync(join(directory, base), text);
    return this.client.spawn(command, [...args, join(directory, 'conf')]);
  }

  directory(name: string): string {
    const directory = join(this.work, name);
    mkdirSync(directory, { recursive: true });
    return directory;
  }

  async dispose(): Promise<void> {
    await this.network.dispose();
    for (const directory of [this.work, this.built]) rmSync(directory, { recursive: true, force: true });
  }
}

/** Text of a configuration, and how it is told to its program; other files beside it by name. */
export interface StockServer {
  readonly command: string;
  readonly args: readonly string[];
  readonly file: string;
  readonly files?: Readonly<Record<string, string>>;
}

/** Gives the server a line, and what it says to it. */
export async function tell(to: LongProcess, line: string): Promise<string> {
  const before = to.stdout().length;
  to.write(`${line}\n`);
  const said = await poll(() => /\w+ .*\n/.exec(to.stdout().slice(before))?.[0], 30_000, line);
  return said.trim();
}

const KNOT = (directory: string): string => `server:
    listen: 10.9.0.2@53
    rundir: ${directory}
    user: root:root
log:
  - target: stderr
    any: info
database:
    storage: ${directory}
`;

const BIND = (directory: string): string => `options {
  directory "${directory}";
  pid-file "${directory}/pid";
  session-keyfile "${directory}/session.key";
  listen-on { 10.9.0.2; };
  listen-on-v6 { none; };
  recursion no;
  notify no;
  dnssec-validation no;
  transfer-source 10.9.0.2;
};
controls { };
`;

/** knot and BIND as secondaries of our server, for the zone `cell`. `key`: the name and the secret (base64) by which they sign. */
export const secondaries = {
  knot: (directory: string, key?: readonly [string, string]): StockServer => ({
    command: 'knotd',
    args: ['-c'],
    file: `${KNOT(directory)}${
      key === undefined
        ? ''
        : `key:
  - id: ${key[0]}
    algorithm: hmac-sha256
    secret: ${key[1]}
`
    }remote:
  - id: gslb
    address: 10.9.0.1@53
    via: 10.9.0.2
${key === undefined ? '' : `    key: ${key[0]}\n`}acl:
  - id: gslb
    address: 10.9.0.1
    action: notify
zone:
  - domain: cell
    storage: ${directory}
    master: gslb
    acl: gslb
`,
  }),
  bind: (directory: string, key?: readonly [string, string]): StockServer => ({
    command: 'named',
    args: ['-g', '-n', '1', '-c'],
    file: `${BIND(directory)}${
      key === undefined ? '' : `key "${key[0]}" { algorithm hmac-sha256; secret "${key[1]}"; };\n`
    }zone "cell" {
  type secondary;
  primaries { 10.9.0.1${key === undefined ? '' : ` key "${key[0]}"`}; };
  file "${directory}/cell.zone";
  masterfile-format text;
  min-refresh-time 1;
};
`,
  }),
};

/** BIND as a resolver that asks our server for what is in `cell`. */
export const bindResolver = (directory: string): StockServer => ({
  command: 'named',
  args: ['-g', '-n', '1', '-c'],
  file: `${BIND(directory).replace('recursion no;', 'recursion yes;').replace('transfer-source 10.9.0.2;', 'query-source 10.9.0.2;')}
zone "cell" { type static-stub; server-addresses { 10.9.0.1; }; };
`,
});

/** knot with a zone of its own, `cell`, in which is what our server has: for comparison. */
export const knotPrimary = (directory: string): StockServer => ({
  command: 'knotd',
  args: ['-c'],
  file: `${KNOT(directory)}mod-cookies:
  - id: all
template:
  - id: default
    global-module: mod-cookies/all
zone:
  - domain: cell
    file: ${directory}/zone
`,
  files: { zone: ZONE },
});

const ZONE = `$ORIGIN cell.
$TTL 30
@ 60 SOA ns1 root 1 60 10 3600 5
@ 60 NS ns1
ns1 A 10.9.0.2
www A 10.0.0.1
www A 10.0.0.2
www AAAA fd00::1
_sip._udp SRV 0 10 5060 www
text TXT "some words" "and more"
alias CNAME www
a.deep TXT "some words" "and more"
`;
