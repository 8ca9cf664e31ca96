/**
 * Steps as one nf_tables transaction in netlink's own bytes (linux/netfilter/nf_tables.h), for the changes of every day: libnftables first
 * reads all chains of the kernel, at each call, 8 ms with ten thousand farms; this reads nothing. Farms with affinity have rules that
 * only nft can say: then encode gives undefined, and the text does it. Pure.
 */
import { type Address, addressBytes } from '../../sdk/wire/address.ts';
import { TRANSPORT, type Transport } from '../../sdk/wire/model.ts';
import { NLM_F } from './attributes.ts';
import { goTo, pickRule, strictRule, verdict } from './expressions.ts';
import { type Body, eachElement } from './farm.ts';
import { TABLE } from './layout.ts';
import { MessageWriter } from './message-writer.ts';
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

const table = TABLE.split(' ')[1] ?? '';

/** A transaction: the bytes to send at once, and the sequence number whose answer ends it. */
export interface Batch {
  readonly bytes: Uint8Array;
  readonly last: number;
}

/** The transaction of these steps, or undefined where it takes nft's language. */
export function encode(steps: readonly Step[]): Batch | undefined {
  const writer = new MessageWriter();
  // struct nfgenmsg: family, version, resource id (here the subsystem, in network order).
  writer.begin(BATCH_BEGIN, NLM_F.request, 0, NFTABLES);
  const dropped: number[] = [];
  const out = new Map<string, Element[]>();
  const into = new Map<string, Element[]>();
  const unsure = new Map<string, Element[]>();
  for (const step of steps) {
    if (step.do === 'put-farm') {
      const { id, body } = step.layout;
      chain(writer, MSG.newChain, NLM_F.create, `f${id}`);
      if (!rules(writer, `f${id}`, body)) return undefined;
      eachElement(step.layout, (set, key, data) => put(into, set, key, data));
    } else if (step.do === 'take-farm') {
      const { id, body } = step.layout;
      if (body.simple === undefined) return undefined;
      eachElement(step.layout, (set, key) => put(out, set, key, ''));
      dropped.push(id);
    } else if (step.do === 'replace-chains') {
      flush(writer, `f${step.id}`);
      if (!rules(writer, `f${step.id}`, step.body)) return undefined;
    } else if (step.do === 'delete') gather(out, step.element, '');
    else if (step.do === 'add') gather(into, step.element, step.data);
    else if (step.do === 'forget') gather(unsure, step.element, '');
    else if (step.do === 'drop-chains') dropped.push(step.id);
    else return undefined;
  }
  elements(writer, MSG.delElement, 0, out);
  elements(writer, MSG.newElement, NLM_F.create, into);
  // Put in, so that it is there to be taken out.
  elements(writer, MSG.newElement, NLM_F.create, unsure);
  elements(writer, MSG.delElement, 0, unsure);
  for (const id of dropped) chain(writer, MSG.delChain, 0, `f${id}`);
  if (writer.count === 1) return undefined;
  // The answer to the last step comes when all is committed, or undone.
  writer.flag(NLM_F.ack);
  const last = writer.count;
  writer.begin(BATCH_END, NLM_F.request, 0, NFTABLES);
  return { bytes: writer.finish(), last };
}

const message = (writer: MessageWriter, kind: number, flags: number): void =>
  writer.begin((NFTABLES << 8) | kind, NLM_F.request | flags, NFPROTO_INET);

function chain(writer: MessageWriter, kind: number, flags: number, name: string): void {
  message(writer, kind, flags);
  writer.text(NFTA_CHAIN.table, table);
  writer.text(NFTA_CHAIN.name, name);
}

function flush(writer: MessageWriter, name: string): void {
  message(writer, MSG.delRule, 0);
  writer.text(NFTA_RULE.table, table);
  writer.text(NFTA_RULE.chain, name);
}

/** The rules of a farm; false when they are not simple. */
function rules(writer: MessageWriter, name: string, body: Body): boolean {
  const { simple } = body;
  if (simple === undefined) return false;
  if (simple.strict) rule(writer, name, strictRule);
  rule(writer, name, simple.slots === 0 ? out => goTo(out, 'refuse') : out => pickRule(out, body, simple));
  return true;
}

function rule(writer: MessageWriter, name: string, expressions: (writer: MessageWriter) => void): void {
  message(writer, MSG.newRule, NLM_F.create | NLM_F.append);
  writer.text(NFTA_RULE.table, table);
  writer.text(NFTA_RULE.chain, name);
  const list = writer.nest(NFTA_RULE.expressions);
  expressions(writer);
  writer.close(list);
}

/** Key and data in nft's own text: `10.50.0.1 . tcp . 80` and `jump f7`, `4097` and `10.1.0.1 . 8080`; numbers are marks. */
interface Element {
  readonly key: string | number;
  readonly data: string | number;
}

function gather(sets: Map<string, Element[]>, element: string, data: string): void {
  const space = element.indexOf(' ');
  put(sets, element.slice(0, space), element.slice(space + 1), data);
}

function put(sets: Map<string, Element[]>, set: string, key: Element['key'], data: Element['data']): void {
  const list = sets.get(set);
  if (list) list.push({ key, data });
  else sets.set(set, [{ key, data }]);
}

function elements(
  writer: MessageWriter,
  kind: number,
  flags: number,
  sets: ReadonlyMap<string, readonly Element[]>,
): void {
  for (const [set, list] of sets)
    for (let at = 0; at < list.length; at += ELEMENTS) {
      message(writer, kind, flags);
      writer.text(NFTA_ELEMENTS.table, table);
      writer.text(NFTA_ELEMENTS.set, set);
      const nested = writer.nest(NFTA_ELEMENTS.list);
      const end = Math.min(list.length, at + ELEMENTS);
      for (let index = at; index < end; index++) element(writer, list[index]!);
      writer.close(nested);
    }
}

function element(writer: MessageWriter, { key, data }: Element): void {
  const nested = writer.nest(NFTA_LIST_ELEM);
  // Only a range of ports has a dash, and nothing stands behind it.
  const dash = typeof key === 'string' ? key.indexOf('-') : -1;
  if (typeof key === 'number' || dash < 0) value(writer, NFTA_ELEMENT.key, key);
  else {
    value(writer, NFTA_ELEMENT.key, key.slice(0, dash));
    value(writer, NFTA_ELEMENT.keyEnd, key.slice(0, key.lastIndexOf(' ') + 1) + key.slice(dash + 1));
  }
  if (typeof data === 'string' && (data.startsWith('jump ') || data.startsWith('goto '))) {
    const start = writer.nest(NFTA_ELEMENT.data);
    verdict(writer, data.startsWith('goto ') ? GOTO : JUMP, data.slice(5));
    writer.close(start);
  } else if (data !== '') value(writer, NFTA_ELEMENT.data, data);
  writer.close(nested);
}

function value(writer: MessageWriter, type: number, what: string | number): void {
  const nested = writer.nest(type);
  const start = writer.open(NFTA_DATA_VALUE);
  if (typeof what === 'number') writer.u32(swapped(what));
  else fields(writer, what);
  writer.close(start);
  writer.close(nested);
}

const DIGITS = /^\d+$/;

/** Each field padded to four bytes: addresses, protocols and ports in network order, marks (numbers alone) in the host's. */
function fields(writer: MessageWriter, text: string): void {
  const alone = !text.includes(' ');
  for (const part of alone ? [text] : text.split(' . ')) {
    if (DIGITS.test(part)) writer.u32(alone ? swapped(Number(part)) : Number(part) << 16);
    else if (part.includes('.') || part.includes(':')) writer.raw(addressBytes(part as Address));
    else writer.u32(TRANSPORT[part as Transport] << 24);
  }
}

const swapped = (value: number): number =>
  (value >>> 24) | ((value >>> 8) & 0xff00) | ((value << 8) & 0xff0000) | (value << 24);
