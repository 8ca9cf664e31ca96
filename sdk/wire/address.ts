/**
 * IP addresses and prefixes as canonical text, so that they compare with `===`, serve as keys, and print as they are.
 * IPv4: dotted quad. IPv6: RFC 5952. Both families everywhere, from the start.
 */
export type Address = string & { readonly __brand: 'Address' };

/** An Ethernet address in lower-case hex with colons: `02:00:00:00:00:01`. */
export type Mac = string & { readonly __brand: 'Mac' };

/** 4 or 6. */
export type Family = 4 | 6;

/** The family of an address. */
export const familyOf = (address: Address): Family => (address.includes(':') ? 6 : 4);

/** Reads an address in any usual spelling and gives its canonical one, or undefined. No zone identifiers. */
export function parseAddress(text: string): Address | undefined {
  const bytes = text.includes(':') ? parse6(text) : parse4(text);
  return bytes && addressFromBytes(bytes);
}

/** Like parseAddress, but throws a RangeError that quotes the text. */
export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new RangeError(`not an IP address: '${text}'`);
  return parsed;
}

/** The 4 or 16 bytes of an address, in network order. */
export function addressBytes(address: Address): Uint8Array {
  const bytes = familyOf(address) === 4 ? parse4(address) : parse6(address);
  if (bytes === undefined) throw new RangeError(`not an IP address: '${address}'`);
  return bytes;
}

/** The address in 4 or 16 bytes; undefined for any other length. An IPv4-mapped IPv6 address stays IPv6. */
export function addressFromBytes(bytes: Uint8Array): Address | undefined {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` as Address;
  if (bytes.length === 16) return format6(bytes) as Address;
  return undefined;
}

/** Reads an Ethernet address (colons or dashes), or undefined. */
export function parseMac(text: string): Mac | undefined {
  return /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)
    ? (text.toLowerCase().replaceAll('-', ':') as Mac)
    : undefined;
}

/** The six bytes of an Ethernet address. */
export const macBytes = (mac: Mac): Uint8Array =>
  Uint8Array.from(mac.split(':'), part => Number.parseInt(part, 16));

/** The Ethernet address in six bytes at `offset`. */
export const macFromBytes = (bytes: Uint8Array, offset = 0): Mac =>
  Array.from(bytes.subarray(offset, offset + 6), byte => byte.toString(16).padStart(2, '0')).join(':') as Mac;

/** An address prefix in canonical text, host bits zero: `10.1.0.0/16`. */
export type Prefix = string & { readonly __brand: 'Prefix' };

/** Reads `address/length` and clears the host bits, or undefined. */
export function parsePrefix(text: string): Prefix | undefined {
  const [head, tail, ...rest] = text.split('/');
  const base = parseAddress(head ?? '');
  if (base === undefined || tail === undefined || rest.length > 0 || !/^\d{1,3}$/.test(tail))
    return undefined;
  const bytes = addressBytes(base);
  const length = Number(tail);
  if (length > bytes.length * 8) return undefined;
  for (let bit = length; bit < bytes.length * 8; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
  return `${addressFromBytes(bytes)}/${length}` as Prefix;
}

/** Whether the prefix holds the address. */
export function prefixHolds(prefix: Prefix, address: Address): boolean {
  const slash = prefix.indexOf('/');
  const length = Number(prefix.slice(slash + 1));
  return parsePrefix(`${address}/${length}`) === prefix;
}

const DOT = 46;
const ZERO = 48;
const NINE = 57;

/** Digit by digit: addresses are read and written more often than anything else. */
function parse4(text: string): Uint8Array | undefined {
  if (text.length > 15) return undefined;
  const bytes = new Uint8Array(4);
  let part = 0;
  let digits = 0;
  let value = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === DOT) {
      if (digits === 0 || part === 3) return undefined;
      bytes[part++] = value;
      digits = 0;
      value = 0;
    } else {
      // No zero in front of another digit.
      if (code < ZERO || code > NINE || (digits > 0 && value === 0)) return undefined;
      value = value * 10 + code - ZERO;
      if (value > 255) return undefined;
      digits++;
    }
  }
  if (part !== 3 || digits === 0) return undefined;
  bytes[3] = value;
  return bytes;
}

function parse6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  // RFC 4291 §2.2: a dotted quad stands at the very end only.
  const head = groups(halves[0] ?? '', halves.length === 1);
  const tail = groups(halves[1] ?? '', true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

function groups(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const four = isLast && index === parts.length - 1 ? parse4(part) : undefined;
      if (four === undefined) return undefined;
      bytes.push(...four);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(part)) return undefined;
      const group = Number.parseInt(part, 16);
      bytes.push(group >> 8, group & 255);
    }
  }
  return bytes;
}

/** RFC 5952 §4: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as `::`. */
function format6(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, index) => (bytes[index * 2]! << 8) | bytes[index * 2 + 1]!);
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = words.map(word => word.toString(16));
  if (best.start < 0) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}
