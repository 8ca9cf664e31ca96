/**
 * A long-lived `ip -force -batch -`: no process is started for a change. ip(8) waits for the kernel's answer to each line, and
 * says on stderr, unbuffered, which line failed. A last line that it cannot know marks the end of each batch there.
 */
import type { Coprocess, Exec } from '../host/ports.ts';

/** A line that the kernel refused. */
export interface Refusal {
  /** Index in the batch. */
  readonly index: number;
  /** The kernel's or ip(8)'s own words. */
  readonly reason: string;
}

export interface IpBatch {
  /** Runs the lines; resolves when the kernel has answered all of them. Rejects when ip(8) died on the way. */
  run(lines: readonly string[]): Promise<readonly Refusal[]>;
  close(): void;
}

interface Batch {
  /** Number of its first line since ip(8) started, from 1. */
  readonly first: number;
  readonly count: number;
  readonly refusals: Refusal[];
  readonly done: (refusals: readonly Refusal[]) => void;
  readonly failed: (error: Error) => void;
}

const FAILED = /^Command failed .*:(\d+)$/;
const END = 'bivouac-end-of-batch';

export function createIpBatch(exec: Exec): IpBatch {
  let process: Coprocess | undefined;
  let lines = 0;
  let rest = '';
  let words: string[] = [];
  const batches: Batch[] = [];

  const start = (): Coprocess => {
    lines = 0;
    rest = '';
    words = [];
    const started: Coprocess = exec.start(
      'ip',
      ['-force', '-batch', '-'],
      (text, stream) => {
        if (stream === 'stderr' && started === process) read(text);
      },
      status => {
        if (started !== process) return;
        process = undefined;
        const last = [...words, rest].join(' ').trim();
        const error = new Error(`ip -batch ended with status ${status}${last === '' ? '' : `: ${last}`}`);
        for (const batch of batches.splice(0)) batch.failed(error);
      },
    );
    return started;
  };

  const read = (text: string): void => {
    const whole = (rest + text).split('\n');
    rest = whole.pop()!;
    for (const line of whole) {
      const number = FAILED.exec(line)?.[1];
      if (number === undefined) words.push(line);
      else {
        refused(Number(number), words.join(' '));
        words = [];
      }
    }
  };

  const refused = (line: number, reason: string): void => {
    const batch = batches[0];
    if (batch === undefined) return;
    if (line < batch.first + batch.count) batch.refusals.push({ index: line - batch.first, reason });
    else {
      batches.shift();
      batch.done(batch.refusals);
    }
  };

  return {
    run(wanted) {
      if (wanted.length === 0) return Promise.resolve([]);
      return new Promise((done, failed) => {
        process ??= start();
        batches.push({ first: lines + 1, count: wanted.length, refusals: [], done, failed });
        lines += wanted.length + 1;
        process.write(`${wanted.join('\n')}\n${END}\n`);
      });
    },
    close() {
      process?.close();
    },
  };
}
