/**
 * The lab's command line: npm run lab [-- COMMAND]. It runs containerlab.yml on this machine with network namespaces alone.
 */
import { commands, usage } from './commands.ts';
import { readOptions, UsageError } from './options.ts';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    // The second time it is meant: the nodes end with this process.
    if (stop.signal.aborted) process.exit(130);
    stop.abort(new Error(`interrupted by ${signal}`));
  });

let status: number;
try {
  const { command, words, options } = readOptions(process.argv.slice(2));
  const run = commands[command];
  if (!run) throw new UsageError(`there is no command '${command}'`);
  status = await run(words, options, stop.signal);
} catch (error) {
  console.error(`lab: ${(error as Error).message}`);
  if (error instanceof UsageError) console.error(usage);
  status = stop.signal.aborted ? 130 : error instanceof UsageError ? 2 : 1;
}
// What an interrupted scenario still waits for is of no use any more.
process.exit(status);
