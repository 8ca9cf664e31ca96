/**
 * As much of DNS as a client needs that asks for addresses on behalf of others: RFC 1035 §4, EDNS (RFC 6891), Client Subnet (RFC 7871), and
 * cookies (RFC 7873), with which a server knows that the source is no forged one, and answers it as often as it asks.
 */

const A = 1;
const IN = 1;
const OPT = 41;
const OPTION = { subnet: 8, cookie: 10 } as const;

/** What a reply says. */
export interface StubReply {
  readonly id: number;
  /** Whether it holds all that there is: not where it is truncated, or only says how to ask (BADCOOKIE). */
  readonly whole: boolean;
  /** IPv4 addresses, in their order. */
  readonly addresses: readonly string[];
  /** The option's data; undefined: the server gave none. */
  readonly cookie: Uint8Array | undefined;
}

/** A question for the addresses of a name, as a client at `subnet` (an IPv4 address) would have it answered. */
export function stubQuery(id: number, name: string, subnet: string, cookie: Uint8Array): Uint8Array {
  const labels = name.split('.').flatMap(label => [label.length, ...Buffer.from(label, 'latin1')]);
  const options = [
    ...[0, OPTION.subnet, 0, 8, 0, 1, 32, 0, ...subnet.split('.').map(Number)],
    ...[0, OPTION.cookie, 0, cookie.length, ...cookie],
  ];
  return Uint8Array.from([
    ...[id >> 8, id & 255, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1],
    ...[...labels, 0, 0, A, 0, IN],
    ...[0, 0, OPT, 1232 >> 8, 1232 & 255, 0, 0, 0, 0, 0, options.length, ...options],
  ]);
}

/** Reads a reply to that. Throws RangeError for what is none. */
export function readStubReply(bytes: Uint8Array): StubReply {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 12;
  const skipName = (): void => {
    for (;;) {
      const length = view.getUint8(at);
      at += length >= 0xc0 ? 2 : length + 1;
      if (length === 0 || length >= 0xc0) return;
    }
  };
  for (let count = view.getUint16(4); count > 0; count--) {
    skipName();
    at += 4;
  }
  const addresses: string[] = [];
  let cookie: Uint8Array | undefined;
  let extended = 0;
  const records = view.getUint16(6) + view.getUint16(8) + view.getUint16(10);
  for (let count = 0; count < records; count++) {
    skipName();
    const type = view.getUint16(at);
    const end = at + 10 + view.getUint16(at + 8);
    if (type === A) addresses.push(bytes.subarray(at + 10, at + 14).join('.'));
    if (type === OPT) {
      extended = view.getUint8(at + 4);
      for (let option = at + 10; option < end; option += 4 + view.getUint16(option + 2))
        if (view.getUint16(option) === OPTION.cookie)
          cookie = bytes.slice(option + 4, option + 4 + view.getUint16(option + 2));
    }
    at = end;
  }
  const whole = (view.getUint8(2) & 2) === 0 && extended === 0;
  return { id: view.getUint16(0), whole, addresses, cookie };
}
