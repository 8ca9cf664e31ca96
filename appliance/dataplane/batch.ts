/**
 * Steps as one nf_tables transaction in netlink's own bytes (linux/netfilter/nf_tables.h), for the changes of every day: libnftables first
 * reads all chains of the kernel, at each call, 8 ms with ten thousand farms; this reads nothing. Farms with affinity have rules that
 * only nft can say: then encode gives undefined, and the text does it. Pure.
 */
import { type Address, addressBytes } from '../../sdk/wire/address.ts';
import { TRANSPORT, type Transport } from '../../sdk/wire/model.ts';
import { attribute, big32, NLM_F, netfilterMessage, numbered, zeroed } from './attributes.ts';
import { goTo, pickRule, strictRule, verdict } from './expressions.ts';
import type { Body } from './farm.ts';
import { TABLE } from './layout.ts';
import type { Step } from './plan.ts';

const NFTABLES = 10;
const NFPROTO_INET = 1;
const MSG = { newChain: 3, delChain: 5, newRule: 6, delRule: 8, newElement: 12, delElement: 14 } as const;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const NFTA_CHAIN = { table: 1, name: 3 } as const;
const NFTA_RULE = { table: 1, chain: 2, expressions: 4 } as const;
const NFTA_ELEMENTS = { table: 1, set: 2, list: 3 } as const;
const NFTA_ELEMENT = { key: 1, data: 2, keyEnd: 10 } as const;
const NFTA_DATA_VALUE = 1;
const NFTA_LIST_ELEM = 1;
/** Elements in one message: its list is one attribute, of at most 64 KiB. */
const ELEMENTS = 200;
const JUMP = -3;
const GOTO = -4;

const table = zeroed(TABLE.split(' ')[1] ?? '');

/** A transaction: the bytes to send at once, and the sequence number whose answer ends it. */
export interface Batch {
  readonly bytes: Uint8Array;
  readonly last: number;
}

/** The transaction of these steps, or undefined where it takes nft's language. */
export function encode(steps: readonly Step[]): Batch | undefined {
  const before: Uint8Array[] = [];
  const after: Uint8Array[] = [];
  const out = new Map<string, Uint8Array[]>();
  const into = new Map<string, Uint8Array[]>();
  for (const step of steps) {
    if (step.do === 'delete') gather(out, step.element, '');
    else if (step.do === 'add') gather(into, step.element, step.data);
    else if (step.do === 'drop-chains') after.push(chain(MSG.delChain, 0, `f${step.id}`));
    else if (step.do === 'make-chains' || step.do === 'replace-chains') {
      const rules = encodeBody(step.body);
      if (rules === undefined) return undefined;
      const name = `f${step.id}`;
      before.push(step.do === 'make-chains' ? chain(MSG.newChain, NLM_F.create, name) : flush(name));
      before.push(...rules.map(expressions => rule(name, expressions)));
    } else return undefined;
  }
  const messages = [
    ...before,
    ...elements(MSG.delElement, 0, out),
    ...elements(MSG.newElement, NLM_F.create, into),
    ...after,
  ];
  if (messages.length === 0) return undefined;
  const edge = (type: number): Uint8Array =>
    // struct nfgenmsg: family, version, resource id (here the subsystem, in network order).
    numbered(type, NLM_F.request, Uint8Array.of(0, 0, 0, NFTABLES));
  const all = [edge(BATCH_BEGIN), ...messages, edge(BATCH_END)];
  const bytes = new Uint8Array(all.reduce((sum, each) => sum + each.length, 0));
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const [sequence, message] of all.entries()) {
    bytes.set(message, offset);
    view.setUint32(offset + 8, sequence + 1, true);
    // The answer to the last step comes when all is committed, or undone.
    if (sequence === all.length - 2)
      view.setUint16(offset + 6, view.getUint16(offset + 6, true) | NLM_F.ack, true);
    offset += message.length;
  }
  return { bytes, last: all.length - 1 };
}

function encodeBody(body: Body): readonly (readonly Uint8Array[])[] | undefined {
  const { simple } = body;
  if (simple === undefined) return undefined;
  return [
    ...(simple.strict ? [strictRule()] : []),
    simple.slots === 0 ? [goTo('refuse')] : pickRule(body, simple),
  ];
}

const step = (kind: number, flags: number, list: readonly Uint8Array[]): Uint8Array =>
  netfilterMessage(NFTABLES, kind, NLM_F.request | flags, NFPROTO_INET, list);

const chain = (kind: number, flags: number, name: string): Uint8Array =>
  step(kind, flags, [attribute(NFTA_CHAIN.table, table), attribute(NFTA_CHAIN.name, zeroed(name))]);

const flush = (name: string): Uint8Array =>
  step(MSG.delRule, 0, [attribute(NFTA_RULE.table, table), attribute(NFTA_RULE.chain, zeroed(name))]);

const rule = (name: string, expressions: readonly Uint8Array[]): Uint8Array =>
  step(MSG.newRule, NLM_F.create | NLM_F.append, [
    attribute(NFTA_RULE.table, table),
    attribute(NFTA_RULE.chain, zeroed(name)),
    attribute(NFTA_RULE.expressions, expressions),
  ]);

function* elements(
  kind: number,
  flags: number,
  sets: ReadonlyMap<string, readonly Uint8Array[]>,
): Iterable<Uint8Array> {
  for (const [set, list] of sets)
    for (let at = 0; at < list.length; at += ELEMENTS)
      yield step(kind, flags, [
        attribute(NFTA_ELEMENTS.table, table),
        attribute(NFTA_ELEMENTS.set, zeroed(set)),
        attribute(NFTA_ELEMENTS.list, list.slice(at, at + ELEMENTS)),
      ]);
}

function gather(sets: Map<string, Uint8Array[]>, element: string, data: string): void {
  const space = element.indexOf(' ');
  const set = element.slice(0, space);
  const bytes = encodeElement(element.slice(space + 1), data);
  const list = sets.get(set);
  if (list) list.push(bytes);
  else sets.set(set, [bytes]);
}

/** An element whose key and data are in nft's own text: `10.50.0.1 . tcp . 80` and `jump f7`, `4097` and `10.1.0.1 . 8080`. */
function encodeElement(key: string, data: string): Uint8Array {
  const range = /^(.* \. )(\d+)-(\d+)$/.exec(key);
  const value = (text: string): Uint8Array[] => [attribute(NFTA_DATA_VALUE, fields(text))];
  const [, head = '', first = '', last = ''] = range ?? [];
  const parts = range
    ? [
        attribute(NFTA_ELEMENT.key, value(`${head}${first}`)),
        attribute(NFTA_ELEMENT.keyEnd, value(`${head}${last}`)),
      ]
    : [attribute(NFTA_ELEMENT.key, value(key))];
  const [word, target = ''] = data.split(' ');
  if (word === 'goto' || word === 'jump')
    parts.push(attribute(NFTA_ELEMENT.data, [verdict(word === 'goto' ? GOTO : JUMP, target)]));
  else if (data !== '') parts.push(attribute(NFTA_ELEMENT.data, value(data)));
  return attribute(NFTA_LIST_ELEM, parts);
}

/** Each field padded to four bytes: addresses, protocols and ports in network order, marks (numbers alone) in the host's. */
function fields(text: string): Uint8Array {
  const parts = text.split(' . ');
  const bytes = parts.flatMap((part, at) => {
    if (/[.:]/.test(part)) return [...addressBytes(part as Address)];
    if (/^\d+$/.test(part)) return at === 0 ? [...big32(Number(part))].reverse() : port(Number(part));
    return [TRANSPORT[part as Transport], 0, 0, 0];
  });
  return Uint8Array.from(bytes);
}

const port = (value: number): number[] => [value >> 8, value & 255, 0, 0];
