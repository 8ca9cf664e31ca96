/**
 * `bivouac agent`: registers this server. Exit status: 0 stopped in good order, 1 it could not start, 2 usage or configuration.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Identity } from '../../sdk/transport/environment.ts';
import { nodeEnvironment } from '../../sdk/transport/node.ts';
import { Agent } from '../agent/agent.ts';
import { type AgentConfig, loadAgentConfig } from '../agent/config.ts';
import { formatFault } from '../config/faults.ts';
import { createClock } from '../host/clock.ts';
import { createExec } from '../host/exec.ts';
import { createFiles } from '../host/files.ts';
import { createStderrLog } from '../host/log.ts';
import { notify } from '../host/notify.ts';
import { followSurroundings } from '../host/surroundings.ts';
import { watchDirectories } from '../host/watch.ts';
import { OPTIONS } from './options.ts';

/** ms that leaving may take besides the drain. */
const GOODBYE = 10_000;

const USAGE = `usage: bivouac agent --config FILE [--check] [--verbose]

Registers this host's services with a manager, installs their VIPs on loopback, reports connections and load.
SIGTERM drains: no new connections, the established ones end, then everything is taken away; a second one hurries.

  --config FILE   services, certificate, manager (JSON)
  --check         only look the file over
  --verbose       log more

Exit status: 0 stopped in good order, 1 could not start, 2 usage or configuration.`;

export async function agent(args: string[]): Promise<number> {
  let values: { config?: string; check?: boolean; verbose?: boolean; help?: boolean };
  try {
    values = parseArgs({ args, options: OPTIONS.agent }).values;
  } catch (error) {
    console.error(`bivouac agent: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (values.help || values.config === undefined) {
    (values.help ? console.log : console.error)(USAGE);
    return values.help ? 0 : 2;
  }
  const file = values.config;
  let config: AgentConfig;
  let tls: Identity | undefined;
  try {
    const loaded = loadAgentConfig(readFileSync(file, 'utf8'));
    if ('faults' in loaded) {
      for (const fault of loaded.faults) console.error(formatFault(file, fault));
      return 2;
    }
    config = loaded.config;
    tls = readIdentity(config, dirname(file));
  } catch (error) {
    console.error(`bivouac agent: ${(error as Error).message}`);
    return 2;
  }
  const clock = createClock();
  const log = createStderrLog(clock, values.verbose ? 'debug' : 'info');
  try {
    const running = new Agent(config, tls, {
      clock,
      log,
      exec: createExec(),
      files: createFiles(),
      environment: nodeEnvironment(),
      surroundings: followSurroundings,
      watch: watchDirectories,
    });
    if (values.check) {
      console.log(`${file}: good: ${config.services.length} services, server ${running.registration.server}`);
      return 0;
    }
    if (tls === undefined)
      log('warning', 'agent-plain', { said: 'no TLS: anyone on the path can pose as the manager' });
    await running.start();
    // Ready means that it looks after the services; whether a manager is there is not in its hands.
    notify('READY=1');
    const signals = new Promise<void>((done, fail) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const)
        process.on(signal, () => {
          notify(`STOPPING=1\nEXTEND_TIMEOUT_USEC=${(config.drain + GOODBYE) * 1000}`);
          running.stop().then(done, fail);
        });
    });
    await signals;
    return 0;
  } catch (error) {
    console.error(`bivouac agent: ${(error as Error).message}`);
    return 1;
  }
}

function readIdentity({ tls }: AgentConfig, directory: string): Identity | undefined {
  if (tls === undefined) return undefined;
  const read = (path: string): string => readFileSync(resolve(directory, path), 'utf8');
  return { ...tls, ca: read(tls.ca), certificate: read(tls.certificate), key: read(tls.key) };
}
