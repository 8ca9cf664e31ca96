/**
 * The 32-bit mark that names a farm and one of its members. It is the packet's mark while a new flow is being placed, the conntrack
 * mark of every balanced flow, and the key of the maps, so that one number finds the flows of a farm or of a server.
 *
 *      31    29 28                 12 11                  0
 *     +--------+---------------------+---------------------+
 *     | 1 0 1  | farm, 1…131,071     | member or slot      |
 *     +--------+---------------------+---------------------+
 *
 * The three bits in front tell our marks from those that other software of the router gives its own flows: a mark that begins otherwise
 * is never judged, counted or changed.
 *
 * Both parts come from a hash of what they name, so that a daemon that starts anew, or a server that comes back, meets the number
 * that its old flows still carry, and hardly ever a number that belonged to another.
 */
export const INDEX_BITS = 12;
/** Most members of one farm, and most slots. */
export const MAX_INDEX = 1 << INDEX_BITS;
const OWNER_BITS = 3;
const MAX_FARM = 1 << (32 - OWNER_BITS - INDEX_BITS);
/** The bits that say whose a mark is, and what they are in ours. */
export const OWNER_MASK = 0xe0000000;
export const OWNER = 0xa0000000;
/** nft's text of the mask that leaves the farm, and whose it is. */
export const FARM_MASK = '0xfffff000';

/** Marks of a farm begin here; mark = base + member's index. */
export const baseOf = (farm: number): number => OWNER + farm * MAX_INDEX;
export const farmOfMark = (mark: number): number => Math.floor((mark - OWNER) / MAX_INDEX);
export const indexOfMark = (mark: number): number => mark % MAX_INDEX;

/** Whether a conntrack mark is one of ours. */
export const isOurs = (mark: number): boolean => (mark & OWNER_MASK) >>> 0 === OWNER;

/** FNV-1a, 32 bits, with the final mix of MurmurHash3, over UTF-16 units. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A farm's number: by its key, or the next that is free. Undefined when all are taken. */
export function chooseFarm(key: string, taken: (farm: number) => boolean): number | undefined {
  return probe(1 + (hash32(key) % (MAX_FARM - 1)), 1, MAX_FARM, taken);
}

/** A member's index within its farm: by its address and port, or the next that is free. Undefined when all are taken. */
export function chooseIndex(member: string, taken: (index: number) => boolean): number | undefined {
  return probe(hash32(member) % MAX_INDEX, 0, MAX_INDEX, taken);
}

function probe(
  start: number,
  low: number,
  high: number,
  taken: (value: number) => boolean,
): number | undefined {
  for (let step = 0; step < high - low; step++) {
    const value = low + ((start - low + step) % (high - low));
    if (!taken(value)) return value;
  }
  return undefined;
}
