/** The expressions of a farm's rules, as nft itself would compile them (linux/netfilter/nf_tables.h). Pure. */
import { type Body, HASH_SEED, type SimpleBody } from './farm.ts';
import type { MessageWriter } from './message-writer.ts';

const LIST_ELEM = 1;
const EXPR = { name: 1, data: 2 } as const;
const DATA = { value: 1, verdict: 2 } as const;
const VERDICT = { code: 1, chain: 2 } as const;
const NFT_REG_VERDICT = 0;
const NFT_REG_1 = 1;
/** A register that holds 16 bytes; `hash` reads its source before it writes its result to another. */
const NFT_REG_2 = 2;
const META = { key: 2, sreg: 3 } as const;
const META_KEY = { mark: 3, nfproto: 15, l4proto: 16 } as const;
const GOTO = -4;
const OP = { equal: 0, unequal: 1 } as const;

function expression(writer: MessageWriter, name: string, data: (writer: MessageWriter) => void): void {
  const element = writer.nest(LIST_ELEM);
  writer.text(EXPR.name, name);
  const nested = writer.nest(EXPR.data);
  data(writer);
  writer.close(nested);
  writer.close(element);
}

/** The attributes of the types 1, 2, 3… that are all numbers. */
function numbers(writer: MessageWriter, ...values: readonly number[]): void {
  for (let at = 0; at < values.length; at++) writer.big32(at + 1, values[at]!);
}

/** A verdict as data; `code` as in linux/netfilter/nf_tables.h (enum nft_verdicts). */
export function verdict(writer: MessageWriter, code: number, chain: string): void {
  const nested = writer.nest(DATA.verdict);
  writer.big32(VERDICT.code, code);
  writer.text(VERDICT.chain, chain);
  writer.close(nested);
}

/** `goto chain` */
export const goTo = (writer: MessageWriter, chain: string): void =>
  expression(writer, 'immediate', () => {
    writer.big32(1, NFT_REG_VERDICT);
    const nested = writer.nest(2);
    verdict(writer, GOTO, chain);
    writer.close(nested);
  });

const load = (writer: MessageWriter, key: number): void =>
  expression(writer, 'meta', () => numbers(writer, NFT_REG_1, key));

const compare = (writer: MessageWriter, op: number, value: number): void =>
  expression(writer, 'cmp', () => {
    numbers(writer, NFT_REG_1, op);
    bytes(writer, 3, value);
  });

/** Data of one byte. */
function bytes(writer: MessageWriter, type: number, value: number): void {
  const nested = writer.nest(type);
  const start = writer.open(DATA.value);
  writer.raw([value]);
  writer.close(start);
  writer.close(nested);
}

const payload = (
  writer: MessageWriter,
  base: number,
  offset: number,
  length: number,
  register: number,
): void => expression(writer, 'payload', () => numbers(writer, register, base, offset, length));

/** `tcp flags & (fin | syn | rst | ack) != syn goto refuse` */
export function strictRule(writer: MessageWriter): void {
  load(writer, META_KEY.l4proto);
  compare(writer, OP.equal, 6);
  payload(writer, 2, 13, 1, NFT_REG_1);
  expression(writer, 'bitwise', () => {
    numbers(writer, NFT_REG_1, NFT_REG_1, 1);
    bytes(writer, 4, 0x17);
    bytes(writer, 5, 0);
  });
  compare(writer, OP.unequal, 0x02);
  goTo(writer, 'refuse');
}

/** `meta mark set numgen inc mod N offset B`, or with jhash over the client's address. */
export function pickRule(writer: MessageWriter, { family }: Body, { hash, slots, base }: SimpleBody): void {
  if (hash) {
    const length = family === 4 ? 4 : 16;
    load(writer, META_KEY.nfproto);
    compare(writer, OP.equal, family === 4 ? 2 : 10);
    payload(writer, 1, family === 4 ? 12 : 8, length, NFT_REG_2);
    expression(writer, 'hash', () =>
      numbers(writer, NFT_REG_2, NFT_REG_1, length, slots, HASH_SEED, base, 0),
    );
  } else expression(writer, 'numgen', () => numbers(writer, NFT_REG_1, slots, 0, base));
  expression(writer, 'meta', () => {
    writer.big32(META.key, META_KEY.mark);
    writer.big32(META.sreg, NFT_REG_1);
  });
}
