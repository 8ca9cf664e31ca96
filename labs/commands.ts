/** The commands of the lab. Each gives its exit status. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { askCables, askLeased, cablesOf, replug } from './graph/cables.ts';
import { renderDot } from './graph/dot.ts';
import { type Placement, pictureOf } from './graph/picture.ts';
import { askPlacements } from './graph/placements.ts';
import { renderSvg } from './graph/svg.ts';
import { renderText } from './graph/text.ts';
import { type Options, UsageError } from './options.ts';
import { ensurePki } from './pki.ts';
import { ROOT } from './root.ts';
import { Lab, takeDown, takeDownStale } from './runner/lab.ts';
import { isStale, list, load } from './runner/state.ts';
import { perform } from './scenario/perform.ts';
import type { Report } from './scenario/report.ts';
import { scenarios } from './scenarios/index.ts';
import type { Topology } from './topology/model.ts';
import { parseTopology } from './topology/parse.ts';
import { Wan } from './wan/wan.ts';

type Command = (words: readonly string[], options: Options, signal: AbortSignal) => Promise<number>;

export const usage = `usage: npm run lab [-- COMMAND] [OPTIONS]

Runs the network of containerlab.yml on this machine: network namespaces, the real kernel, real FRR. Needs root.

  (nothing)             bring a lab up, play the story, take it down
  run SCENARIO          the same with another scenario:
${Object.entries(scenarios)
  .map(([name, { summary }]) => `                          ${name.padEnd(12)}${summary}`)
  .join('\n')}
  up                    bring it up, to stay
  exec NODE COMMAND…    run a command in a node: exec hq ip route; exec a-appliance bivouac show services
  graph                 the network, and where each VIP lives now; --svg FILE or --dot FILE: as a picture
  list                  the labs on this machine
  down                  take it down
  pki                   make the certificates that the nodes bind (up and run do it, too)

  --lab NAME            which lab: several may be up side by side under different names
  --file FILE           another containerlab file
  --json FILE           what the scenario measured
  --servers N           of roam-storm: how many servers
  --seconds N           of roam-storm: how long they roam
  --wan                 of up: the core's links get the delays and rates that the file gives them
  --docker              nodes are containers of bivouac:latest (firmware-build/README.md), as containerlab's are
  --inspect             leave a failed run as it is until Ctrl-C`;

export const commands: Readonly<Record<string, Command>> = {
  story: (_words, options, signal) => play(Object.keys(scenarios)[0]!, options, signal),

  run: ([name, ...more], options, signal) => {
    if (name === undefined || more.length > 0) throw new UsageError('run takes the name of one scenario');
    return play(name, options, signal);
  },

  async up(_words, options, signal) {
    await tidy();
    const topology = readTopology(options);
    const id = options.lab ?? topology.name;
    await ensurePki(ROOT, topology);
    const lab = await Lab.up(topology, { id, root: ROOT, stays: true, signal, containers: options.docker });
    if (options.wan) console.log(`${await Wan.leave(lab)} links have the delay and rate of the file`);
    const words = options.lab === undefined ? '' : ` --lab ${id}`;
    console.log(`${topology.nodes.size} nodes are up, and servers register within seconds. Look around, and take it down when done:
  npm run lab -- exec${words} ${[...topology.nodes.keys()][0]} ip route
  npm run lab -- graph${words}
  npm run lab -- down${words}`);
    return 0;
  },

  async down(_words, options) {
    const id = nameOf(options);
    const there = list().includes(id);
    await takeDown(id);
    await tidy();
    console.log(there ? `lab '${id}' is down` : `no lab named '${id}' was up`);
    return 0;
  },

  exec([name, ...command], options) {
    if (name === undefined || command.length === 0) throw new UsageError('exec takes a node and a command');
    return Lab.open(nameOf(options), parseFile).node(name).attach(command);
  },

  async graph(_words, options) {
    const id = nameOf(options);
    let placements: readonly Placement[] = [];
    let leased: ReadonlyMap<string, readonly string[]> = new Map();
    let topology: Topology;
    if (load(id)) {
      const lab = Lab.open(id, parseFile);
      const [answer, cables, addresses] = await Promise.all([
        askPlacements(lab),
        askCables(lab),
        askLeased(lab),
      ]);
      topology = replug(lab.topology, cables);
      placements = answer.placements;
      leased = addresses;
      if (answer.silent.length > 0) console.error(`no manager answers at ${answer.silent.join(', ')}`);
    } else {
      const file = readTopology(options);
      topology = replug(file, cablesOf(file));
      console.error(`no lab named '${id}' is up: this is the network as the file has it`);
    }
    const picture = pictureOf(topology, placements, leased);
    if (options.svg) writeFileSync(options.svg, renderSvg(picture));
    if (options.dot) writeFileSync(options.dot, renderDot(picture));
    if (!options.svg && !options.dot) process.stdout.write(renderText(picture));
    return 0;
  },

  async pki(_words, options) {
    await ensurePki(ROOT, readTopology(options));
    return 0;
  },

  async list() {
    const all = list();
    if (all.length === 0) console.log('no lab is on this machine');
    for (const id of all) {
      const state = load(id);
      const owner = state?.owner ? `of process ${state.owner.pid}` : 'stays';
      if (state) console.log(`${id}  ${state.file}  ${isStale(state) ? 'left behind' : owner}`);
    }
    return 0;
  },
};

/** Brings a lab of its own up, plays, and takes it down whatever happened. */
async function play(name: string, options: Options, signal: AbortSignal): Promise<number> {
  const scenario = scenarios[name];
  if (!scenario) throw new UsageError(`there is no scenario '${name}': ${Object.keys(scenarios).join(', ')}`);
  await tidy();
  const topology = readTopology(options);
  const id = options.lab ?? `${topology.name}-${process.pid}`;
  const start = performance.now();
  await ensurePki(ROOT, topology);
  const lab = await Lab.up(topology, {
    ...{ id, root: ROOT, signal, containers: options.docker },
    ...(scenario.hold ? { hold: scenario.hold } : {}),
  });
  try {
    console.log(`${topology.nodes.size} nodes up in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    const report = await unlessAborted(
      perform(name, scenario, lab, console.log, signal, options.scale),
      signal,
    );
    if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    console.log(summary(report, performance.now() - start));
    if (!report.ok && options.inspect) {
      console.log(`left as it is until Ctrl-C: npm run lab -- exec --lab ${id} NODE COMMAND…`);
      await unlessAborted(new Promise<never>(() => setInterval(() => {}, 1 << 30)), signal);
    }
    return report.ok ? 0 : 1;
  } finally {
    await lab.down();
  }
}

function summary({ steps, ok, scenario }: Report, ms: number): string {
  const seconds = (ms / 1000).toFixed(1);
  const count = `${steps.length} step${steps.length === 1 ? '' : 's'}`;
  return ok
    ? `${scenario}: ${count}, all good, ${seconds} s`
    : `${scenario}: FAILED at step ${steps.length}, ${seconds} s`;
}

/** The work's outcome, or the abort's reason as soon as it comes: a step may be waiting for something that never will. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  return Promise.race([work, aborted]);
}

async function tidy(): Promise<void> {
  for (const id of await takeDownStale()) console.error(`took down '${id}', which a killed run had left`);
}

const fileOf = (options: Options): string => resolve(options.file ?? join(ROOT, 'containerlab.yml'));

function parseFile(file: string): Topology {
  if (!existsSync(file)) throw new Error(`there is no file ${file}`);
  return parseTopology(file, readFileSync(file, 'utf8'));
}

const readTopology = (options: Options): Topology => parseFile(fileOf(options));

/** The lab that is meant: by its own name, or by its file's. */
const nameOf = (options: Options): string => options.lab ?? readTopology(options).name;
