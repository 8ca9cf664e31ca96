/**
 * The lab's command line: npm run lab [-- COMMAND]. It runs containerlab.yml on this machine with network namespaces alone.
 */
import { commands, usage } from './commands.ts';
import { readOptions, UsageError } from './options.ts';

/** One Ctrl-C may come twice, from the terminal and from npm; after so many milliseconds it is another one. */
const IMPATIENCE = 1000;

const stop = new AbortController();
if (process.argv[2] === 'exec')
  // Ctrl-C reaches the program in the node as well, and is meant for it alone.
  process.on('SIGINT', () => {});
else {
  let since = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (!stop.signal.aborted) {
        since = performance.now();
        stop.abort(new Error(`interrupted by ${signal}`));
      } else if (performance.now() - since > IMPATIENCE) {
        // The second time it is meant: the nodes end with this process.
        process.exit(130);
      }
    });
}

let status = 0;
try {
  const { command, words, options } = readOptions(process.argv.slice(2));
  const run = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (options.help || command === 'help') console.log(usage);
  else if (run) status = await run(words, options, stop.signal);
  else throw new UsageError(`there is no command '${command}'`);
} catch (error) {
  console.error(`lab: ${(error as Error).message}`);
  if (error instanceof UsageError) console.error('npm run lab -- --help tells what there is');
  status = stop.signal.aborted ? 130 : error instanceof UsageError ? 2 : 1;
}
// What an interrupted scenario still waits for is of no use any more.
process.exit(status);
