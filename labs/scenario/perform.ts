/** Runs a scenario on a lab that is up. */
import type { Lab } from '../runner/lab.ts';
import { type Report, renderStep, type StepRecord } from './report.ts';
import type { Scale, Scenario, Stage } from './scenario.ts';

/** Thrown by a failed step so that the scenario ends; the step's own record holds the reason. */
class StepFailed extends Error {}

/** Gives the report, whatever becomes of it; rejects only when `signal` aborts. */
export async function perform(
  name: string,
  scenario: Scenario,
  lab: Lab,
  print: (line: string) => void,
  signal: AbortSignal,
  scale: Scale = {},
): Promise<Report> {
  const steps: StepRecord[] = [];
  const record = (step: StepRecord): void => {
    steps.push(step);
    print(renderStep(steps.length, step));
  };
  const stage: Stage = {
    lab,
    scale,
    node: name => lab.node(name),
    async step(title, act) {
      signal.throwIfAborted();
      const start = performance.now();
      try {
        const measured = (await act()) ?? {};
        record({ title, ok: true, ms: performance.now() - start, measured });
      } catch (error) {
        signal.throwIfAborted();
        const reason = (error as Error).message;
        record({ title, ok: false, ms: performance.now() - start, measured: {}, reason });
        throw new StepFailed(reason);
      }
    },
  };
  const started = new Date().toISOString();
  try {
    await scenario.run(stage);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof StepFailed))
      record({
        title: 'between two steps',
        ok: false,
        ms: 0,
        measured: {},
        reason: (error as Error).message,
      });
  }
  return { scenario: name, started, ok: steps.every(step => step.ok), steps };
}
