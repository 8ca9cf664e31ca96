/** The record of a run: a line a step on the terminal, and the same as JSON. */
import type { Measured } from './scenario.ts';

export interface StepRecord {
  readonly title: string;
  readonly ok: boolean;
  /** Milliseconds from the step's start to its end. */
  readonly ms: number;
  readonly measured: Measured;
  /** Why it failed. */
  readonly reason?: string;
}

export interface Report {
  readonly scenario: string;
  /** ISO 8601. */
  readonly started: string;
  readonly ok: boolean;
  readonly steps: readonly StepRecord[];
}

/** One step as a line; a failed one has its reason beneath. */
export function renderStep(number: number, step: StepRecord): string {
  const figures = Object.entries(step.measured).map(([name, value]) => `${name} ${figure(value)}`);
  const line = `${String(number).padStart(2)}  ${step.ok ? 'ok  ' : 'FAIL'}  ${step.title}  (${(step.ms / 1000).toFixed(1)} s)`;
  return [
    line,
    ...(figures.length > 0 ? [`          ${figures.join(' · ')}`] : []),
    ...(step.reason ? [`          ${step.reason}`] : []),
  ].join('\n');
}

/** A number with as many digits as mean something; text as it is. */
export function figure(value: number | string): string {
  if (typeof value === 'string' || Number.isInteger(value)) return String(value);
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 1 : 2);
}
