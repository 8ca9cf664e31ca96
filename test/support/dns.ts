/**
 * DNS messages as tests write and read them: a reader of its own, so that the server's writer is not its own judge.
 */
import { type Address, addressBytes, addressFromBytes } from '../../sdk/wire/address.ts';

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  /** `10.0.0.1`, `0 10 80 host.cell`, `ns.cell root.cell 1 60 10 3600 5`; hex for what is not known. */
  readonly data: string;
}

export interface DnsMessage {
  readonly id: number;
  readonly flags: { readonly qr: boolean; readonly aa: boolean; readonly tc: boolean; readonly rd: boolean };
  readonly opcode: number;
  /** With the bits of OPT. */
  readonly rcode: number;
  readonly question: { readonly name: string; readonly type: number; readonly qclass: number } | undefined;
  readonly answer: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
  readonly edns:
    | {
        readonly size: number;
        readonly version: number;
        readonly flags: number;
        readonly options: ReadonlyMap<number, Uint8Array>;
      }
    | undefined;
}

export interface QueryFields {
  readonly id?: number;
  readonly flags?: number;
  readonly qclass?: number;
  readonly edns?:
    | {
        readonly size?: number;
        readonly version?: number;
        readonly flags?: number;
        readonly options?: readonly (readonly [number, Uint8Array])[];
      }
    | undefined;
}

const u16 = (value: number): readonly [number, number] => [(value >> 8) & 255, value & 255];

/** A name in wire form, as it is written. */
export const wireName = (name: string): Uint8Array =>
  Uint8Array.from([
    ...(name === '' ? [] : name.split('.')).flatMap(label => [
      label.length,
      ...new TextEncoder().encode(label),
    ]),
    0,
  ]);

/** The bytes of a query. */
export function dnsQuery(name: string, type: number, fields: QueryFields = {}): Uint8Array {
  const { id = 0x1234, flags = 0x0100, qclass = 1, edns } = fields;
  const options = (edns?.options ?? []).flatMap(([code, data]) => [
    ...u16(code),
    ...u16(data.length),
    ...data,
  ]);
  return Uint8Array.from([
    ...[...u16(id), ...u16(flags), 0, 1, 0, 0, 0, 0, 0, edns === undefined ? 0 : 1],
    ...[...wireName(name), ...u16(type), ...u16(qclass)],
    ...(edns === undefined
      ? []
      : [
          0,
          0,
          41,
          ...u16(edns.size ?? 1232),
          0,
          edns.version ?? 0,
          ...u16(edns.flags ?? 0),
          ...u16(options.length),
          ...options,
        ]),
  ]);
}

/** The option of a client's subnet (RFC 7871). */
export function subnetOption(address: string, bits: number): readonly [number, Uint8Array] {
  const bytes = addressBytes(address as Address);
  const family = bytes.length === 4 ? 1 : 2;
  return [8, Uint8Array.from([...u16(family), bits, 0, ...bytes.subarray(0, Math.ceil(bits / 8))])];
}

/** Reads a message; throws for whatever is not as it should be. */
export function decodeDns(bytes: Uint8Array): DnsMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 12;
  const name = (): string => {
    const [text, next] = readName(bytes, at);
    at = next;
    return text;
  };
  const word = (): number => {
    at += 2;
    return view.getUint16(at - 2);
  };
  const flags = view.getUint16(2);
  const question = view.getUint16(4) === 1 ? { name: name(), type: word(), qclass: word() } : undefined;
  let edns: DnsMessage['edns'];
  let extended = 0;
  const section = (countAt: number): DnsRecord[] => {
    const records: DnsRecord[] = [];
    for (let count = view.getUint16(countAt); count > 0; count--) {
      const owner = name();
      const type = word();
      const qclass = word();
      const ttl = word() * 0x10000 + word();
      const length = word();
      const end = at + length;
      if (end > bytes.length) throw new Error('a record beyond the message');
      if (type === 41) {
        if (edns !== undefined || owner !== '') throw new Error('OPT twice, or not of the root');
        extended = ttl >>> 24;
        edns = {
          size: qclass,
          version: (ttl >> 16) & 255,
          flags: ttl & 0xffff,
          options: readOptions(bytes, at, end),
        };
      } else records.push({ name: owner, type, ttl, data: readData(bytes, type, at, end) });
      at = end;
    }
    return records;
  };
  const [answer, authority, additional] = [section(6), section(8), section(10)];
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes behind the message`);
  return {
    id: view.getUint16(0),
    flags: { qr: !!(flags & 0x8000), aa: !!(flags & 0x400), tc: !!(flags & 0x200), rd: !!(flags & 0x100) },
    opcode: (flags >> 11) & 15,
    rcode: (extended << 4) | (flags & 15),
    ...{ question, answer, authority, additional, edns },
  };
}

function readName(bytes: Uint8Array, from: number): [text: string, next: number] {
  const labels: string[] = [];
  let at = from;
  let next = -1;
  for (let jumps = 0; ; ) {
    const length = bytes[at];
    if (length === undefined) throw new Error('a name beyond the message');
    if (length >= 0xc0) {
      const to = ((length & 0x3f) << 8) | bytes[at + 1]!;
      if (to >= at || ++jumps > 20) throw new Error('a pointer forward, or too many');
      if (next < 0) next = at + 2;
      at = to;
    } else if (length === 0) return [labels.join('.'), next < 0 ? at + 1 : next];
    else {
      labels.push(String.fromCharCode(...bytes.subarray(at + 1, at + 1 + length)));
      at += length + 1;
    }
  }
}

function readData(bytes: Uint8Array, type: number, at: number, end: number): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const name = (from: number): [string, number] => readName(bytes, from);
  switch (type) {
    case 1:
    case 28:
      return addressFromBytes(bytes.subarray(at, end)) ?? 'not an address';
    case 2:
    case 5:
      return name(at)[0];
    case 6: {
      const [mname, first] = name(at);
      const [rname, numbers] = name(first);
      return [mname, rname, ...[0, 4, 8, 12, 16].map(offset => view.getUint32(numbers + offset))].join(' ');
    }
    case 13:
    case 16: {
      const texts: string[] = [];
      for (let next = at; next < end; next += bytes[next]! + 1)
        texts.push(new TextDecoder().decode(bytes.subarray(next + 1, next + 1 + bytes[next]!)));
      return texts.map(text => JSON.stringify(text)).join(' ');
    }
    case 33:
      return [view.getUint16(at), view.getUint16(at + 2), view.getUint16(at + 4), name(at + 6)[0]].join(' ');
    default:
      return Buffer.from(bytes.subarray(at, end)).toString('hex');
  }
}

function readOptions(bytes: Uint8Array, from: number, end: number): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = from; at < end; ) {
    const [code, length] = [(bytes[at]! << 8) | bytes[at + 1]!, (bytes[at + 2]! << 8) | bytes[at + 3]!];
    if (at + 4 + length > end) throw new Error('an option beyond OPT');
    options.set(code, bytes.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return options;
}
