/**
 * A zone as a whole for its secondaries: AXFR (RFC 5936), and IXFR answered likewise (RFC 1995 §4), or with the SOA alone to who has all there
 * is (§2). It is the zone as those see it whom the topology does not know.
 */
import { outcomeOf, typesAt, zoneOf } from './finish.ts';
import { FLAG, RCODE } from './numbers.ts';
import { isLater } from './serial.ts';
import type { View, Zone } from './view.ts';
import { MessageWriter } from './writer.ts';

/** Bytes of one message of many: pointers reach no further, and nobody else waits long for it. */
const MESSAGE_BYTES = 16_000;

/** What the transfer is asked by. */
export interface TransferQuestion {
  readonly id: number;
  /** AXFR or IXFR. */
  readonly type: number;
  /** The serial number that its asker has; undefined when he does not say, and has to get everything. */
  readonly has: number | undefined;
}

/** The messages of a zone's transfer, made as they are taken: SOA first and last, all of one view. */
export function* transferMessages(
  view: View,
  serial: number,
  zone: Zone,
  { id, type, has }: TransferQuestion,
): Generator<Uint8Array, void> {
  let writer = start(zone, type, true);
  const finished = (): Uint8Array => {
    const bytes = writer.finish(FLAG.AA, RCODE.NOERROR);
    bytes[0] = id >> 8;
    bytes[1] = id & 255;
    return bytes;
  };
  writer.soa('answer', zone, serial, zone.ttl);
  if (has !== undefined && !isLater(serial, has)) {
    yield finished();
    return;
  }
  for (const name of new Set([zone.apex, ...view.names.keys()])) {
    if (zoneOf(view, name) !== zone) continue;
    for (const kind of typesAt(view, name)) {
      if (kind === 'SOA') continue;
      const { records, ttl } = outcomeOf(view, name, kind, '');
      for (const data of records) {
        if (writer.record('answer', name, ttl, data, MESSAGE_BYTES)) continue;
        yield finished();
        writer = start(zone, type, false);
        writer.record('answer', name, ttl, data);
      }
    }
  }
  if (!writer.soa('answer', zone, serial, zone.ttl, MESSAGE_BYTES)) {
    yield finished();
    writer = start(zone, type, false);
    writer.soa('answer', zone, serial, zone.ttl);
  }
  yield finished();
}

/** Only the first message needs the question (RFC 5936 §2.2.1). */
function start(zone: Zone, type: number, first: boolean): MessageWriter {
  const writer = new MessageWriter();
  if (first) writer.question(zone.apex, type);
  return writer;
}
