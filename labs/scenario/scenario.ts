/** What a scenario is: steps on a running lab, each of which proves something and says what it measured. */
import type { Lab } from '../runner/lab.ts';
import type { LabNode } from '../runner/node.ts';
import type { Node } from '../topology/model.ts';

/** What a step measured: a figure's name with its unit → its value, in the order to be shown. */
export type Measured = Readonly<Record<string, number | string>>;

/** How large a scenario is to be, where it can be of any size. Absent = as it is meant. */
export interface Scale {
  readonly servers?: number;
  readonly seconds?: number;
}

export interface Stage {
  readonly lab: Lab;
  readonly scale: Scale;
  node(name: string): LabNode;
  /** Runs one step and prints its line. A step that throws fails, and ends the scenario. */
  step(title: string, act: () => Promise<Measured | undefined>): Promise<void>;
}

export interface Scenario {
  /** One line for the list of scenarios. */
  readonly summary: string;
  /** Nodes that the scenario boots itself, by `node.boot()`. */
  readonly hold?: (node: Node) => boolean;
  run(stage: Stage): Promise<void>;
}

/** Fails a step, with the reason that is shown. */
export function check(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}
