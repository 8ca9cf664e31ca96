/** The figures as people read them. */
import type { Figure, Sample } from './figure.ts';

/** Three digits that mean something, thousands apart. */
function number(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const spread = ({ median, min, max }: Sample): string => `${number(median)} (${number(min)}, ${number(max)})`;

/** One figure: what was measured, beside what, and whether its goal was met. */
export function renderFigure({ name, unit, ours, beside, ratio, goal, met }: Figure): string {
  return [
    `${met ? 'met   ' : 'MISSED'}  ${name}`,
    `        ours    ${spread(ours)} ${unit}, ${ours.count} runs`,
    ...beside.map(other => `        beside  ${spread(other.sample)} ${other.unit ?? unit}  ${other.name}`),
    ...(ratio === undefined ? [] : [`        ratio   ${spread(ratio)}`]),
    `        goal    ${goal}`,
  ].join('\n');
}
