/**
 * What this server has forgotten its secondaries still know: without a stored serial number, and perhaps with a clock that is behind, it asks
 * each of them for the SOA record that they have, and goes on from the latest.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Clock, DatagramSocket, Millis, Net, Random, Timer } from '../host/ports.ts';
import type { Secondary } from './notify.ts';
import { CLASS_IN, FLAG, HEADER, TYPE } from './numbers.ts';
import { MessageWriter } from './writer.ts';

/** Each is asked again after so long, so many times in all. */
const AGAIN: Millis = 1000;
const TRIES = 5;

/** SERIAL and the four numbers behind it end the data of SOA (RFC 1035 §3.3.13); two names of at least a byte are before them. */
const NUMBERS = 20;
const LEAST_DATA = NUMBERS + 2;

/** A query for a zone's SOA, RD clear. */
export function soaQuery(apex: string, id: number): Uint8Array {
  const writer = new MessageWriter();
  writer.question(apex, TYPE.SOA);
  const bytes = writer.finish(0, 0);
  bytes[0] = id >> 8;
  bytes[1] = id & 255;
  bytes[2] = bytes[3] = 0;
  return bytes;
}

/** The serial number in the answer to `query`; undefined when it is none, or tells none. */
export function soaSerial(query: Uint8Array, answer: Uint8Array): number | undefined {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  if (answer.length < query.length + LEAST_DATA) return undefined;
  const flags = view.getUint16(2);
  // An answer, whole, and without an error; and with records.
  if ((flags & FLAG.QR) === 0 || (flags & (FLAG.TC | 0x780f)) !== 0 || view.getUint16(6) === 0)
    return undefined;
  for (let index = 0; index < query.length; index++)
    if ((index < 2 || index >= HEADER) && answer[index] !== query[index]) return undefined;
  let at = query.length;
  for (let length = answer[at]!; length !== 0 && length < 0xc0; length = answer[at]!) {
    at += length + 1;
    if (length > 63 || at >= answer.length) return undefined;
  }
  at += answer[at] === 0 ? 1 : 2;
  if (at + 10 > answer.length) return undefined;
  if (view.getUint16(at) !== TYPE.SOA || view.getUint16(at + 2) !== CLASS_IN) return undefined;
  const length = view.getUint16(at + 8);
  const end = at + 10 + length;
  return length < LEAST_DATA || end > answer.length ? undefined : view.getUint32(end - NUMBERS);
}

export interface RecallDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  /** A secondary has this number of one of the zones. */
  readonly onSerial: (serial: number, from: Address) => void;
}

/** Asks every secondary for every zone, until each has answered or it was in vain. Gives what ends it. Rejects without sockets. */
export async function recall(
  { clock, random, net, onSerial }: RecallDeps,
  apexes: readonly string[],
  secondaries: readonly Secondary[],
): Promise<() => void> {
  const sockets = new Map<4 | 6, DatagramSocket>();
  const timers = new Set<Timer>();
  const open = new Map<string, Uint8Array>();
  const close = (): void => {
    for (const timer of timers) timer.cancel();
    for (const socket of sockets.values()) socket.close();
    sockets.clear();
  };
  const hear = (bytes: Uint8Array, from: Address): void => {
    for (const [key, query] of open) {
      if (!key.startsWith(`${from} `)) continue;
      const serial = soaSerial(query, bytes);
      if (serial === undefined) continue;
      open.delete(key);
      onSerial(serial, from);
    }
    if (open.size === 0) close();
  };
  const familyOf = (address: Address): 4 | 6 => (address.includes(':') ? 6 : 4);
  for (const family of new Set(secondaries.map(({ address }) => familyOf(address)))) {
    const address = (family === 6 ? '::' : '0.0.0.0') as Address;
    sockets.set(family, await net.datagram({ address, port: 0 }, hear, () => {}));
  }
  const send = (tries: number): void => {
    for (const { address, port } of secondaries)
      for (const apex of apexes) {
        const query = open.get(`${address} ${port} ${apex}`);
        if (query !== undefined) sockets.get(familyOf(address))?.send(query, port, address);
      }
    timers.clear();
    timers.add(
      clock.after('dns-recall', AGAIN, () => {
        if (tries < TRIES && open.size > 0) send(tries + 1);
        else close();
      }),
    );
  };
  for (const { address, port } of secondaries)
    for (const apex of apexes)
      open.set(
        `${address} ${port} ${apex}`,
        soaQuery(apex, new DataView(random.bytes(2).buffer).getUint16(0)),
      );
  if (open.size > 0) send(1);
  return close;
}
