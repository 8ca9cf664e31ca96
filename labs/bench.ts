/**
 * The benchmarks' command line: npm run bench [-- NAME…] [--runs N] [--json FILE]. It measures Bivouac beside its peers on this
 * machine, in network namespaces of its own, and says which goals were met.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dnsFigures } from './bench/dns.ts';
import { failoverFigures } from './bench/failover.ts';
import type { Figure } from './bench/figure.ts';
import { floodFigures } from './bench/flooding.ts';
import { flowFigures } from './bench/flows.ts';
import { gslbFigures } from './bench/gslb.ts';
import { idleFigures } from './bench/idle.ts';
import { ipvsFigures } from './bench/ipvs.ts';
import { responderFigures } from './bench/responder.ts';
import { roamFigures } from './bench/roam.ts';
import { routeFigures } from './bench/routes.ts';
import { scaleFigures } from './bench/scale.ts';
import { renderFigure } from './bench/table.ts';
import { throughputFigures } from './bench/throughput.ts';

interface Benchmark {
  readonly about: string;
  readonly measure: (options: { readonly runs: number }) => Promise<Figure[]>;
  /** Unless told otherwise. */
  readonly runs: number;
  /** Another one measures it, too. */
  readonly within?: string;
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  idle: { about: 'memory and start of the manager', measure: idleFigures, runs: 20 },
  routes: { about: 'from a check to a route two hops away', measure: routeFigures, runs: 20 },
  failover: { about: 'what a client sees of a server that dies', measure: failoverFigures, runs: 20 },
  flows: { about: 'established flows through changes and restarts', measure: flowFigures, runs: 20 },
  throughput: { about: 'forwarding beside plain routing', measure: throughputFigures, runs: 20 },
  roam: { about: 'a server that moves to another cell', measure: roamFigures, runs: 20 },
  responder: { about: 'anycast ARP', measure: responderFigures, runs: 20 },
  dns: { about: 'answers of the DNS server', measure: dnsFigures, runs: 20, within: 'gslb' },
  gslb: { about: 'the GSLB: DNS, news, choice, memory', measure: gslbFigures, runs: 20 },
  flooding: { about: 'notices by OSPF beside multicast', measure: floodFigures, runs: 20 },
  ipvs: { about: 'the IPVS driver in a guest', measure: ipvsFigures, runs: 5 },
  // A run registers 30,000 services, twice.
  scale: { about: '10,000 servers', measure: scaleFigures, runs: 3 },
};

const usage = `usage: npm run bench [-- NAME… --runs N --json FILE]

${Object.entries(BENCHMARKS)
  .map(([name, { about, runs }]) => `  ${name.padEnd(12)}${about} (${runs} runs)`)
  .join('\n')}

All of them when none is named. Needs root. Exit status: 0 measured, whether or not all goals were met; 1 a measurement failed; 2 usage.`;

/** All of them, each measured once. */
const every = Object.entries(BENCHMARKS)
  .filter(([, { within }]) => within === undefined)
  .map(([name]) => name);

interface Options {
  readonly names: readonly string[];
  readonly runs: number | undefined;
  readonly json: string | undefined;
}

function readOptions(args: string[]): Options | string {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { runs: { type: 'string' }, json: { type: 'string' }, help: { type: 'boolean' } },
    });
    const unknown = positionals.find(name => !(name in BENCHMARKS));
    if (values.help) return '';
    if (unknown !== undefined) return `there is no benchmark '${unknown}'`;
    const runs = values.runs === undefined ? undefined : Number(values.runs);
    if (runs !== undefined && !(Number.isInteger(runs) && runs > 0)) return '--runs wants a number from 1';
    const names = positionals.length > 0 ? positionals : every;
    return { names, runs, json: values.json };
  } catch (error) {
    return (error as Error).message;
  }
}

/** What the figures were measured on. */
const machine = (): object => ({
  processor: cpus()[0]?.model ?? '',
  cores: availableParallelism(),
  memoryMegabytes: Math.round(totalmem() / 2 ** 20),
  kernel: release(),
  node: process.version,
  packages: Object.fromEntries(['frr', 'haproxy', 'etcd-server'].map(name => [name, versionOf(name)])),
});

/** Version of an installed Debian package; empty when it is not there. */
function versionOf(name: string): string {
  const status = readFileSync('/var/lib/dpkg/status', 'utf8');
  return new RegExp(`^Package: ${name}\\n(?:.+\\n)*?Version: (.+)$`, 'm').exec(status)?.[1] ?? '';
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (typeof options === 'string') {
    console.error(options === '' ? usage : `bench: ${options}\n\n${usage}`);
    return options === '' ? 0 : 2;
  }
  const started = new Date().toISOString();
  const results: { benchmark: string; runs: number; seconds: number; figures: Figure[]; failed?: string }[] =
    [];
  const write = (): void => {
    if (options.json === undefined) return;
    writeFileSync(options.json, `${JSON.stringify({ started, machine: machine(), results }, null, 2)}\n`);
  };
  for (const name of options.names) {
    const { about, measure, runs: usual } = BENCHMARKS[name]!;
    const runs = options.runs ?? usual;
    console.log(`\n${name}: ${about}, ${runs} runs`);
    const begun = performance.now();
    const seconds = (): number => Math.round((performance.now() - begun) / 100) / 10;
    try {
      const figures = await measure({ runs });
      for (const figure of figures) console.log(renderFigure(figure));
      results.push({ benchmark: name, runs, seconds: seconds(), figures });
    } catch (error) {
      const failed = (error as Error).message;
      console.log(`FAILED  ${failed}`);
      results.push({ benchmark: name, runs, seconds: seconds(), figures: [], failed });
    }
    write();
  }
  const figures = results.flatMap(result => result.figures);
  const met = figures.filter(figure => figure.met).length;
  console.log(`\n${met} of ${figures.length} goals met`);
  return results.some(result => result.failed !== undefined) ? 1 : 0;
}

// All files of a run are in one place, which every part finds by TMPDIR. FRR's own user must be let through to its files.
const directory = mkdtempSync(join(tmpdir(), 'bivouac-bench-'));
chmodSync(directory, 0o711);
process.env['TMPDIR'] = directory;
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
// Namespaces are removed as this process exits, too.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
process.exit(await main());
