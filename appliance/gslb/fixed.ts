/** What an operator has put into the zones besides what managers offer: name servers' addresses, aliases, texts. Pure. */
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import type { RecordType } from '../dns/numbers.ts';
import type { Outcome, Question, RecordData } from '../dns/view.ts';

/** TTL of what is configured, s. */
const TTL = 300;

export interface Fixed {
  readonly addresses: ReadonlyMap<string, readonly Address[]>;
  /** Other names of names (CNAME). */
  readonly aliases: ReadonlyMap<string, string>;
  readonly texts: ReadonlyMap<string, readonly string[]>;
}

export const NOTHING_FIXED: Fixed = { addresses: new Map(), aliases: new Map(), texts: new Map() };

/** The names, each with its types. An alias has no other (RFC 1034 §3.6.2). */
export function fixedTypes({ addresses, aliases, texts }: Fixed): ReadonlyMap<string, readonly RecordType[]> {
  const types = new Map<string, readonly RecordType[]>();
  for (const [name, list] of addresses) types.set(name, typesOf(list));
  for (const name of texts.keys()) types.set(name, [...(types.get(name) ?? []), 'TXT']);
  for (const name of aliases.keys()) types.set(name, ['CNAME']);
  return types;
}

/** The answer of what is configured for that name and type; undefined: nothing is. */
export function fixedOutcome({ name, type }: Question, fixed: Fixed): Outcome | undefined {
  const records = recordsOf(name, type, fixed);
  return records && { records, ttl: TTL, scoped: false };
}

function recordsOf(
  name: string,
  type: RecordType,
  { addresses, aliases, texts }: Fixed,
): readonly RecordData[] | undefined {
  switch (type) {
    case 'CNAME': {
      const target = aliases.get(name);
      return target === undefined ? undefined : [{ type, target }];
    }
    case 'TXT': {
      const list = texts.get(name);
      return list === undefined ? undefined : [{ type, texts: list }];
    }
    case 'A':
    case 'AAAA':
      return addresses
        .get(name)
        ?.filter(one => (familyOf(one) === 4) === (type === 'A'))
        .map((address): RecordData => ({ type, address }));
    default:
      return undefined;
  }
}

/** The types of records that tell of these addresses. */
export function typesOf(addresses: readonly Address[]): readonly RecordType[] {
  const four = addresses.some(one => familyOf(one) === 4);
  const six = addresses.some(one => familyOf(one) === 6);
  return four ? (six ? ['A', 'AAAA'] : ['A']) : six ? ['AAAA'] : [];
}
