/** What a link of the file is as a line of a wide-area network, in `vars`, with the units of tc(8). Pure. */
import type { Value } from './source.ts';

/** The same both ways. */
export interface Shape {
  /** ms, one way. */
  readonly delay: number;
  /** bit/s. */
  readonly rate: number;
  /** Frames that wait for the line are dropped when what is before them takes longer than this, ms. */
  readonly queue: number;
}

const UNITS: Readonly<Record<string, number>> = { kbit: 1e3, mbit: 1e6, gbit: 1e9, ms: 1, s: 1e3 };
const DEFAULT_QUEUE = 100;
/** Beyond these it is no line but a mistake: ms, bit/s. */
const LONGEST = 10_000;
const FASTEST = 10e9;

/** Reads `vars: { delay: 20ms, rate: 4mbit, queue: 100ms }`; `queue` may be left out. Throws TopologyError. */
export function readShape(vars: Value): Shape {
  const fields = vars.fields(['delay', 'rate', 'queue']);
  const delay = fields.get('delay');
  const rate = fields.get('rate');
  const queue = fields.get('queue');
  if (!delay || !rate) throw vars.fail("needs 'delay' and 'rate'");
  return {
    delay: quantity(delay, ['ms', 's'], LONGEST),
    rate: quantity(rate, ['kbit', 'mbit', 'gbit'], FASTEST),
    queue: queue ? quantity(queue, ['ms', 's'], LONGEST) : DEFAULT_QUEUE,
  };
}

function quantity(value: Value, units: readonly string[], most: number): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(value.text()) ?? [];
  if (number === undefined || !units.includes(unit))
    throw value.fail(`'${value.text()}' must be a number with a unit: ${units.join(', ')}`);
  const found = Number(number) * UNITS[unit]!;
  if (found > most) throw value.fail(`'${value.text()}' is too much`);
  return found;
}
