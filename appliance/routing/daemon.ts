/**
 * One daemon of FRR, watched by its vty socket: whenever it can be reached (again), it is told what is missing of its
 * configuration. FRR restarts, crashes and comes up late: none of that is an error of ours, all of it is seen and said.
 */
import type { Clock, Log, OpenVty, Timer, Vty } from '../host/ports.ts';
import type { DaemonName } from './ospf.ts';

const FIRST_RETRY = 100;
const LAST_RETRY = 5_000;
const WARNING = 1;

export interface FrrDaemon {
  readonly name: DaemonName;
  /** Undefined: reached, and configured as wanted. */
  readonly problem: string | undefined;
  /** The output of a `show` command; rejects when the daemon cannot be reached or refuses it. */
  show(command: string): Promise<string>;
  /** Tells it something else than it is told when it comes; rejects when it cannot be reached or refuses a line. */
  tell(commands: (running: string) => readonly string[]): Promise<void>;
  close(): void;
}

/** Watches a daemon. `commands` gives what it is to be told, from its running configuration (empty: nothing is missing). */
export function watchDaemon(options: {
  readonly name: DaemonName;
  readonly directory: string;
  readonly commands: (running: string) => Promise<readonly string[]> | readonly string[];
  readonly openVty: OpenVty;
  readonly clock: Clock;
  readonly log: Log;
  /** It is there, and has its configuration. */
  readonly onReady?: () => void;
}): FrrDaemon {
  const { name, directory, commands, openVty, clock, log } = options;
  let vty: Vty | undefined;
  let problem: string | undefined = `${name}: not reached yet`;
  let failures = 0;
  let retry: Timer | undefined;
  let closed = false;

  /** Connects if need be, and configures; again later when either fails. */
  const attempt = async (): Promise<void> => {
    let event = 'frr-unreachable';
    try {
      const to = vty ?? (await open());
      event = 'frr-refused';
      await configure(to, commands, log, name);
      if (vty !== to || closed) return;
      problem = undefined;
      failures = 0;
      log('info', 'frr-ready', { daemon: name });
      options.onReady?.();
    } catch (error) {
      // A connection that ended on the way has been dealt with by `lost`.
      if (event === 'frr-unreachable' || vty !== undefined)
        again(event, `${name}: ${(error as Error).message}`);
    }
  };

  const open = async (): Promise<Vty> => {
    const opened = await openVty(`${directory}/${name}.vty`, lost);
    if (closed) {
      opened.close();
      throw new Error('closed');
    }
    vty = opened;
    return opened;
  };

  const lost = (reason: string): void => {
    vty = undefined;
    again('frr-lost', `${name}: ${reason}`);
  };

  const again = (event: string, reason: string): void => {
    if (closed) return;
    if (reason !== problem) log('warning', event, { daemon: name, reason });
    problem = reason;
    const delay = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** failures);
    failures = Math.min(failures + 1, 16);
    retry?.cancel();
    retry = clock.after(`frr-${name}`, delay, () => void attempt());
  };

  void attempt();
  return {
    name,
    get problem() {
      return problem;
    },
    async show(command) {
      if (vty === undefined) throw new Error(problem ?? `${name}: not reached`);
      const { status, text } = await vty.command(command);
      if (status > WARNING) throw new Error(`${name}: '${command}' refused: ${text.trim()}`);
      return text;
    },
    async tell(other) {
      if (vty === undefined) throw new Error(problem ?? `${name}: not reached`);
      retry?.cancel();
      await configure(vty, other, log, name);
    },
    close() {
      closed = true;
      retry?.cancel();
      vty?.close();
    },
  };
}

/** Tells a daemon what its running configuration lacks. Throws with what it refused. */
async function configure(
  to: Vty,
  commands: (running: string) => Promise<readonly string[]> | readonly string[],
  log: Log,
  name: DaemonName,
): Promise<void> {
  await to.command('enable');
  const wanted = await commands((await to.command('show running-config')).text);
  if (wanted.length === 0) return;
  const refused: string[] = [];
  await to.command('configure terminal');
  for (const line of wanted) {
    const { status, text } = await to.command(line);
    const shown = withoutKey(line);
    const said = shown === line ? text.trim() : '';
    if (status > WARNING) refused.push(`'${shown}' (${said || `status ${status}`})`);
  }
  await to.command('end');
  log('notice', 'frr-configured', { daemon: name, lines: wanted.map(withoutKey) });
  if (refused.length > 0) throw new Error(`refused ${refused.join('; ')}`);
}

/** Keys never reach a log, nor does what FRR says of a line with a key, which repeats it. */
const withoutKey = (line: string): string => line.replace(/\b(md5|key) \S+$/, '$1 …');
