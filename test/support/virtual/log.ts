/**
 * A log that a test can read.
 */
import type { Log, LogLevel } from '../../../appliance/host/ports.ts';

export interface LogRecord {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface RecordingLog extends Log {
  readonly records: readonly LogRecord[];
  /** The records of one event. */
  of(event: string): readonly LogRecord[];
}

/** Keeps everything that is logged. */
export function recordingLog(): RecordingLog {
  const records: LogRecord[] = [];
  const log: Log = (level, event, fields = {}) => void records.push({ level, event, fields });
  return Object.assign(log, { records, of: (event: string) => records.filter(one => one.event === event) });
}
