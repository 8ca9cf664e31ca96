/** The expressions of a farm's rules, as nft itself would compile them (linux/netfilter/nf_tables.h). Pure. */
import { attribute, big32, zeroed } from './attributes.ts';
import { type Body, HASH_SEED, type SimpleBody } from './farm.ts';

const LIST_ELEM = 1;
const EXPR = { name: 1, data: 2 } as const;
const DATA = { value: 1, verdict: 2 } as const;
const VERDICT = { code: 1, chain: 2 } as const;
const NFT_REG_VERDICT = 0;
const NFT_REG_1 = 1;
/** A register that holds 16 bytes; `hash` reads its source before it writes its result to another. */
const NFT_REG_2 = 2;
const META = { dreg: 1, key: 2, sreg: 3 } as const;
const META_KEY = { mark: 3, nfproto: 15, l4proto: 16 } as const;
const GOTO = -4;
const OP = { equal: 0, unequal: 1 } as const;

const expression = (name: string, list: readonly Uint8Array[]): Uint8Array =>
  attribute(LIST_ELEM, [attribute(EXPR.name, zeroed(name)), attribute(EXPR.data, list)]);

/** A verdict as data; `code` as in linux/netfilter/nf_tables.h (enum nft_verdicts). */
export const verdict = (code: number, chain: string): Uint8Array =>
  attribute(DATA.verdict, [attribute(VERDICT.code, big32(code)), attribute(VERDICT.chain, zeroed(chain))]);

/** `goto chain` */
export const goTo = (chain: string): Uint8Array =>
  expression('immediate', [attribute(1, big32(NFT_REG_VERDICT)), attribute(2, [verdict(GOTO, chain)])]);

const load = (key: number): Uint8Array =>
  expression('meta', [attribute(META.key, big32(key)), attribute(META.dreg, big32(NFT_REG_1))]);

const compare = (op: number, ...value: number[]): Uint8Array =>
  expression('cmp', [
    attribute(1, big32(NFT_REG_1)),
    attribute(2, big32(op)),
    attribute(3, [attribute(DATA.value, Uint8Array.from(value))]),
  ]);

const payload = (base: number, offset: number, length: number, register: number): Uint8Array =>
  expression('payload', [
    attribute(1, big32(register)),
    attribute(2, big32(base)),
    attribute(3, big32(offset)),
    attribute(4, big32(length)),
  ]);

/** `tcp flags & (fin | syn | rst | ack) != syn goto refuse` */
export function strictRule(): readonly Uint8Array[] {
  const byte = (value: number): Uint8Array[] => [attribute(DATA.value, Uint8Array.of(value))];
  return [
    load(META_KEY.l4proto),
    compare(OP.equal, 6),
    payload(2, 13, 1, NFT_REG_1),
    expression('bitwise', [
      attribute(1, big32(NFT_REG_1)),
      attribute(2, big32(NFT_REG_1)),
      attribute(3, big32(1)),
      attribute(4, byte(0x17)),
      attribute(5, byte(0)),
    ]),
    compare(OP.unequal, 0x02),
    goTo('refuse'),
  ];
}

/** `meta mark set numgen inc mod N offset B`, or with jhash over the client's address. */
export function pickRule({ family }: Body, { hash, slots, base }: SimpleBody): readonly Uint8Array[] {
  const choose = hash
    ? [
        load(META_KEY.nfproto),
        compare(OP.equal, family === 4 ? 2 : 10),
        payload(1, family === 4 ? 12 : 8, family === 4 ? 4 : 16, NFT_REG_2),
        expression('hash', [
          attribute(1, big32(NFT_REG_2)),
          attribute(2, big32(NFT_REG_1)),
          attribute(3, big32(family === 4 ? 4 : 16)),
          attribute(4, big32(slots)),
          attribute(5, big32(HASH_SEED)),
          attribute(6, big32(base)),
          attribute(7, big32(0)),
        ]),
      ]
    : [
        expression('numgen', [
          attribute(1, big32(NFT_REG_1)),
          attribute(2, big32(slots)),
          attribute(3, big32(0)),
          attribute(4, big32(base)),
        ]),
      ];
  const set = expression('meta', [
    attribute(META.key, big32(META_KEY.mark)),
    attribute(META.sreg, big32(NFT_REG_1)),
  ]);
  return [...choose, set];
}
