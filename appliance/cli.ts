/**
 * `bivouac`: one program, its roles and tools as commands.
 */
import { isMainThread } from 'node:worker_threads';
import { interpretFirst } from './host/compilers.ts';

const COMMANDS = {
  run: [
    'the manager: registers servers, leases VIPs, checks, balances, routes',
    async () => (await import('./commands/run.ts')).run,
  ],
  agent: [
    'the agent of a server: registers it and its services',
    async () => (await import('./commands/agent.ts')).agent,
  ],
  query: [
    'ask by anycast ARP which servers serve, and how healthy they are',
    async () => (await import('./commands/query.ts')).query,
  ],
  show: [
    'what a running manager knows: servers, services, vips, leases, routes, health, events',
    async () => (await import('./commands/show.ts')).show,
  ],
  gslb: ['why a client is sent where it is sent', async () => (await import('./commands/gslb.ts')).gslb],
  'check-config': [
    'look a configuration over without touching the network',
    async () => (await import('./commands/check-config.ts')).checkConfig,
  ],
  pki: [
    'make and look at the mission’s authority and certificates',
    async () => (await import('./commands/pki.ts')).pki,
  ],
  update: [
    'put another image in the slot that does not run, and start it',
    async () => (await import('./commands/update.ts')).update,
  ],
  box: [
    'an appliance made from an image: its slots, its configuration, its console',
    async () => (await import('./commands/box.ts')).box,
  ],
  'tech-support': [
    'everything that is needed to help, with all secrets taken out, in one file',
    async () => (await import('./commands/tech-support.ts')).techSupport,
  ],
  completion: [
    'print the Tab completion for bash',
    async () => (await import('./commands/completion.ts')).completion,
  ],
} as const satisfies Record<string, readonly [string, () => Promise<(args: string[]) => Promise<number>>]>;

const usage = (): string =>
  [
    'usage: bivouac COMMAND [OPTIONS]',
    '',
    ...Object.entries(COMMANDS).map(([name, [what]]) => `  ${name.padEnd(13)} ${what}`),
    '',
    'bivouac COMMAND --help tells more.',
  ].join('\n');

const [name = '', ...args] = process.argv.slice(2);
async function main(): Promise<void> {
  if (!isMainThread) {
    (await import('./commands/dns-worker.ts')).dnsWorker();
    return;
  }
  // The start of a box: before anything of it is loaded.
  if (name === 'box' && args[0] === 'start') interpretFirst();
  if (name in COMMANDS) {
    const command = await COMMANDS[name as keyof typeof COMMANDS][1]();
    process.exitCode = await command(args);
    return;
  }
  const asked = name === '' || name === 'help' || name === '--help';
  (asked ? process.stdout : process.stderr).write(
    `${asked ? '' : `bivouac: no command '${name}'\n`}${usage()}\n`,
  );
  process.exitCode = asked ? 0 : 2;
}

// Not awaited here: the form that the image has of this program knows no await at its top.
void main();
