/**
 * The log: one line an event, on stderr, as journald or a person reads it.
 *
 *     <4>check-failed service=3f2a…/1 sentence="tcp/1720 timed out after 500 ms"
 *     12:34:56.789 warning check-failed service=3f2a…/1 sentence="tcp/1720 timed out after 500 ms"
 */
import { renderFields } from './log-fields.ts';
import type { Clock, Log, LogLevel, Millis } from './ports.ts';

/** syslog severities (RFC 5424 §6.2.1), which journald takes from a `<N>` prefix (sd-daemon(3)). */
const SEVERITY = { error: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const satisfies Record<
  LogLevel,
  number
>;

/** Lines of one event (and level) that may come at once, and then how many a second: a stranger must not fill the disk. */
export const LOG_BUDGET = { burst: 50, perSecond: 5, summaryEvery: 10_000 as Millis } as const;

/** Events with a budget of their own; the code has far fewer names than this. Those beyond share one. */
const NAMES_LIMIT = 1_000;

const OTHER = 'other';

interface Budget {
  tokens: number;
  at: Millis;
  suppressed: number;
}

export interface LogOptions {
  readonly clock: Clock;
  /** Takes a finished line with its newline. */
  readonly write: (line: string) => void;
  /** Readable text for a terminal; otherwise lines with a severity prefix. */
  readonly terminal: boolean;
  /** The least severe level that is written. */
  readonly level: LogLevel;
}

/** A log that writes each event once, cuts long fields, drops what looks like a secret, and counts what it had to suppress. */
export function createLog({ clock, write, terminal, level: least }: LogOptions): Log {
  /** By level, then by event; `size` counts them all. */
  const budgets = new Map<LogLevel, Map<string, Budget>>();
  let size = 0;
  const line = (level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>): void =>
    write(
      terminal
        ? `${clock.wall().slice(11, 23)} ${level.padEnd(7)} ${event}${renderFields(fields)}\n`
        : `<${SEVERITY[level]}>${event}${renderFields(fields)}\n`,
    );
  const budgetOf = (level: LogLevel, event: string): Budget => {
    const known = budgets.get(level)?.get(event);
    if (known !== undefined) return known;
    if (size >= NAMES_LIMIT && event !== OTHER) return budgetOf('error', OTHER);
    const budget = { tokens: LOG_BUDGET.burst, at: clock.now(), suppressed: 0 };
    const events = budgets.get(level) ?? new Map<string, Budget>();
    budgets.set(level, events.set(event, budget));
    size++;
    return budget;
  };
  const summarize = (level: LogLevel, event: string, budget: Budget): void => {
    line(level, 'log-suppressed', { event, count: budget.suppressed });
    budget.suppressed = 0;
  };
  return (level, event, fields = {}) => {
    if (SEVERITY[level] > SEVERITY[least]) return;
    const budget = budgetOf(level, event);
    const now = clock.now();
    const earned = ((now - budget.at) / 1_000) * LOG_BUDGET.perSecond;
    budget.tokens = Math.min(LOG_BUDGET.burst, budget.tokens + earned);
    budget.at = now;
    if (budget.tokens < 1) {
      if (budget.suppressed++ === 0)
        clock.after('log-summary', LOG_BUDGET.summaryEvery, () => summarize(level, event, budget));
      return;
    }
    budget.tokens--;
    line(level, event, fields);
  };
}

/** The daemon's own log, on stderr: readable on a terminal, for journald otherwise. */
export function createStderrLog(clock: Clock, level: LogLevel = 'info'): Log {
  process.stderr.on('error', () => {}); // Nobody reads it any more; the daemon goes on.
  return createLog({
    clock,
    level,
    write: line => void process.stderr.write(line),
    terminal: process.stderr.isTTY === true && process.env['JOURNAL_STREAM'] === undefined,
  });
}
