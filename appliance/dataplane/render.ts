/** Steps as text of the nft language, one transaction. Pure. */

import { type Body, eachElement } from './farm.ts';
import { AFFINE_CLIENTS, TABLE } from './layout.ts';
import type { Step } from './plan.ts';

/** Elements in one command: nft's netlink messages hold many, but not any number. */
const ELEMENTS = 200;

/**
 * The commands of these steps. Elements of one set are gathered into one command; the order among commands is: chains and maps that
 * elements name, elements out, elements in, elements that may have timed out (put in, so that they are there to be taken out), chains
 * and maps that nothing names any more.
 */
export function render(steps: readonly Step[]): string {
  const before: string[] = [];
  const after: string[] = [];
  const out = new Map<string, string[]>();
  const into = new Map<string, string[]>();
  const unsure = new Map<string, string[]>();
  for (const step of steps) {
    if (step.do === 'delete') gather(out, step.element);
    else if (step.do === 'add') gather(into, step.element, step.data);
    else if (step.do === 'forget') gather(unsure, step.element);
    else if (step.do === 'put-farm') {
      const { id, body } = step.layout;
      if (body.affinity > 0) before.push(...makeAffinity(id, body));
      before.push(`add chain ${TABLE} f${id}`, ...rules(id, body));
      eachElement(step.layout, (set, key, data) =>
        put(into, set, data === '' ? `${key}` : `${key} : ${data}`),
      );
    } else if (step.do === 'take-farm') {
      const { id, body } = step.layout;
      eachElement(step.layout, (set, key) => put(out, set, `${key}`));
      after.push(`delete chain ${TABLE} f${id}`);
      if (body.affinity > 0) after.push(...dropAffinity(id));
    } else if (step.do === 'make-affinity') before.push(...makeAffinity(step.id, step.body));
    else if (step.do === 'replace-chains')
      before.push(`flush chain ${TABLE} f${step.id}`, ...rules(step.id, step.body));
    else if (step.do === 'drop-chains') after.push(`delete chain ${TABLE} f${step.id}`);
    else if (step.do === 'drop-affinity') after.push(...dropAffinity(step.id));
  }
  const lines = [
    ...[...before, ...elements('delete', out), ...elements('add', into)],
    ...[...elements('add', unsure), ...elements('delete', unsure), ...after],
  ];
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** The map of clients, and the chain that keeps a client's entry young while packets pass. */
function makeAffinity(id: number, { family }: Body): readonly string[] {
  const type = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  return [
    `add map ${TABLE} a${id} { type ${type} : mark; flags dynamic,timeout; size ${AFFINE_CLIENTS}; }`,
    `add chain ${TABLE} t${id}`,
  ];
}

const dropAffinity = (id: number): readonly string[] => [
  `delete chain ${TABLE} t${id}`,
  `delete map ${TABLE} a${id}`,
];

function rules(id: number, body: Body): readonly string[] {
  const lines = body.rules.map(rule => `add rule ${TABLE} f${id} ${rule}`);
  if (body.affinity === 0) return lines;
  const client = body.family === 4 ? 'ip saddr' : 'ip6 saddr';
  const mark = body.mode === 'nat' ? 'ct mark' : 'meta mark';
  const touch = `update @a${id} { ${client} timeout ${body.affinity}s : ${mark} }`;
  return [...lines, `flush chain ${TABLE} t${id}`, `add rule ${TABLE} t${id} ${touch}`];
}

function gather(sets: Map<string, string[]>, element: string, data = ''): void {
  const space = element.indexOf(' ');
  put(sets, element.slice(0, space), element.slice(space + 1) + (data === '' ? '' : ` : ${data}`));
}

function put(sets: Map<string, string[]>, set: string, text: string): void {
  const list = sets.get(set);
  if (list) list.push(text);
  else sets.set(set, [text]);
}

function* elements(verb: string, sets: ReadonlyMap<string, readonly string[]>): Iterable<string> {
  for (const [set, list] of sets)
    for (let at = 0; at < list.length; at += ELEMENTS)
      yield `${verb} element ${TABLE} ${set} { ${list.slice(at, at + ELEMENTS).join(', ')} }`;
}
