/**
 * A topology, running on this machine: each node a process tree in namespaces of its own, each link a veth pair between two of
 * them. Nothing has a name on the host, and everything hangs on the nodes' first processes: when those end, it is all gone.
 */

import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { interfacesOf, type Node, type Topology } from '../topology/model.ts';
import { startContainer } from './container.ts';
import { IMAGE, renderInit } from './init.ts';
import { LabNode } from './node.ts';
import { must, Running } from './process.ts';
import { claim, directory, forget, isStale, type LabState, list, load, processId, save } from './state.ts';
import { renderConfigure, renderLinks } from './wire.ts';

/** In the environment of every process of a lab: how leftovers are known. */
const MARK = 'BIVOUAC_LAB';

export interface UpOptions {
  /** The lab's name; several may run at once under different names. */
  readonly id: string;
  /** Stays when this process ends, until somebody takes it down. */
  readonly stays?: boolean;
  /** The project's directory. */
  readonly root: string;
  /** Nodes that are wired and addressed but not booted: somebody calls `boot()` later. */
  readonly hold?: (node: Node) => boolean;
  /** Nodes are containers of their image, started by a Docker engine, instead of this machine's own file system. */
  readonly containers?: boolean;
  /** Stops the making of it; what was made must still be taken down. */
  readonly signal?: AbortSignal;
}

export class Lab {
  readonly id: string;
  readonly topology: Topology;
  readonly #nodes: ReadonlyMap<string, LabNode>;

  private constructor(id: string, topology: Topology, nodes: ReadonlyMap<string, LabNode>) {
    this.id = id;
    this.topology = topology;
    this.#nodes = nodes;
  }

  /** Brings a topology up: namespaces, commands, links, exec, in containerlab's order. On failure nothing is left. */
  static async up(topology: Topology, options: UpOptions): Promise<Lab> {
    if (process.getuid?.() !== 0) throw new Error('the lab makes network namespaces: run it as root');
    for (const node of topology.nodes.values()) checkNode(node, options.containers ?? false);
    const owner = processId(process.pid);
    claim({ id: options.id, file: topology.file, nodes: {}, ...(owner ? { owner } : {}) });
    try {
      return await Lab.#make(topology, options);
    } catch (error) {
      await takeDown(options.id);
      throw error;
    }
  }

  static async #make(topology: Topology, options: UpOptions): Promise<Lab> {
    const { id, stays, root, hold, signal, containers } = options;
    const states: Record<string, LabState['nodes'][string]> = {};
    await Promise.all(
      [...topology.nodes.values()].map(async node => {
        const env = environment(id, topology, node);
        const made = containers
          ? startContainer(id, node, env)
          : makeNode(id, node, env, root, stays ?? false);
        states[node.name] = { env, pid: await made };
      }),
    );
    signal?.throwIfAborted();

    const nodes = [...topology.nodes.values()].map(node => ({
      node,
      live: new LabNode(id, node.name, states[node.name]!, node.command),
    }));
    await Promise.all(nodes.filter(({ node }) => !hold?.(node)).map(({ live }) => live.boot()));
    signal?.throwIfAborted();
    await must(['ip', '-batch', '-'], { input: renderLinks(topology, name => states[name]!.pid) });
    signal?.throwIfAborted();
    await Promise.all(
      nodes.map(({ node, live }) => live.must(['sh', '-s'], { input: renderConfigure(topology, node) })),
    );
    signal?.throwIfAborted();
    const owner = stays ? undefined : processId(process.pid);
    save({ id, file: topology.file, nodes: states, ...(owner ? { owner } : {}) });
    return new Lab(id, topology, new Map(nodes.map(({ live }) => [live.name, live])));
  }

  /** A lab that another process has brought up. Throws when it is not there. */
  static open(id: string, parse: (file: string) => Topology): Lab {
    const state = load(id);
    if (!state || Object.keys(state.nodes).length === 0)
      throw new Error(`no lab named '${id}' is up: npm run lab -- up`);
    const topology = parse(state.file);
    const nodes = [...topology.nodes.values()].flatMap(({ name, command }) => {
      const node = state.nodes[name];
      return node ? [[name, new LabNode(id, name, node, command)] as const] : [];
    });
    return new Lab(id, topology, new Map(nodes));
  }

  node(name: string): LabNode {
    const node = this.#nodes.get(name);
    if (!node) throw new Error(`the lab has no node '${name}': it has ${[...this.#nodes.keys()].join(', ')}`);
    return node;
  }

  get nodes(): readonly LabNode[] {
    return [...this.#nodes.values()];
  }

  /** Starts a program on the host that is a part of the lab, and ends with it, or with this process. */
  beside(command: readonly string[]): Running {
    return new Running(['setpriv', '--pdeathsig', 'KILL', '--', ...command], { env: this.#marked });
  }

  /** The same for a lab that stays. Gives the file that its output goes to. */
  async leave(name: string, command: readonly string[]): Promise<string> {
    const path = join(directory(this.id), `${name}.log`);
    const log = openSync(path, 'a');
    const child = spawn('setsid', ['--fork', ...command], { env: this.#marked, stdio: ['ignore', log, log] });
    closeSync(log);
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => resolve());
    });
    return path;
  }

  get #marked(): Record<string, string> {
    return { ...process.env, [MARK]: this.id } as Record<string, string>;
  }

  down(): Promise<void> {
    return takeDown(this.id);
  }
}

function checkNode(node: Node, containers: boolean): void {
  if (!containers && node.kind === 'linux' && node.image !== IMAGE)
    throw new Error(`node '${node.name}': the image '${node.image}' is not to be had here, only ${IMAGE}`);
  for (const bind of node.binds)
    if (!existsSync(bind.source))
      throw new Error(`node '${node.name}': the bind ${bind.source} is missing on this machine`);
}

/** What every process of a node finds in its environment. */
function environment(id: string, topology: Topology, node: Node): Record<string, string> {
  return {
    PATH: `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: '/root',
    LANG: 'C.UTF-8',
    // As containerlab sets it.
    CLAB_INTFS: String(interfacesOf(topology, node.name).length),
    ...node.env,
    [MARK]: id,
  };
}

/** Makes the namespaces and the root of one node; resolves to the number of its process 1. */
function makeNode(
  id: string,
  node: Node,
  env: Readonly<Record<string, string>>,
  root: string,
  stays: boolean,
): Promise<number> {
  const script = renderInit({
    node,
    mountPoint: join(directory(id), 'root'),
    share: [root, dirname(dirname(process.execPath))],
    cap: join(root, 'node_modules/cap'),
    bivouac: [process.execPath, join(root, 'dist/bivouac.mjs')],
  });
  const namespaces = ['--net', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child'];
  // Unless it stays, the node's namespaces die with this process, however that ends.
  const tie = stays ? [] : ['--pdeathsig', 'KILL'];
  const path = join(directory(id), `${node.name}.init`);
  writeFileSync(path, script);
  const log = openSync(`${path}.log`, 'a');
  const child = spawn('setpriv', [...tie, '--', 'unshare', ...namespaces, 'sh', path], {
    env: { ...env },
    // A session of its own: Ctrl-C is for the lab, which then takes its nodes down in order.
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
  });
  child.unref();
  closeSync(log);
  return new Promise((resolve, reject) => {
    let text = '';
    let made = false;
    child.once('error', reject);
    child.once('exit', () => {
      if (made) return;
      const reason = readFileSync(`${path}.log`, 'utf8').trim();
      reject(new Error(`node '${node.name}' could not be made: ${reason || 'its first process was ended'}`));
    });
    const ready = child.stdio[3];
    ready?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (!text.endsWith('\n')) return;
      made = true;
      ready.destroy();
      resolve(Number(text));
    });
  });
}

/** Ends every process of a lab, waits until they are gone, and removes its files. Idempotent. */
export async function takeDown(id: string): Promise<void> {
  for (let round = 0; ; round++) {
    const marked = processesOf(id);
    if (marked.length === 0) break;
    if (round > 200) throw new Error(`lab '${id}': processes ${marked.join(', ')} do not end`);
    for (const pid of marked) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  forget(id);
}

/** Takes down the labs whose owners are gone; gives their names. */
export async function takeDownStale(): Promise<string[]> {
  const stale = list().filter(id => {
    const state = load(id);
    return state !== undefined && isStale(state);
  });
  for (const id of stale) await takeDown(id);
  return stale;
}

/** The processes that carry the lab's mark, zombies excepted. */
export function processesOf(id: string): number[] {
  const mark = `\0${MARK}=${id}\0`;
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => {
      try {
        return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(mark);
      } catch {
        return false;
      }
    })
    .map(Number);
}
