/**
 * A zone's own record, SOA, as bytes that are at hand for every negative answer (RFC 2308 §3).
 */
import { isWithin, nameBytes } from './names.ts';
import { CLASS_IN, HEADER, TYPE } from './numbers.ts';
import type { Zone } from './view.ts';

/** A zone, and the serial number of its contents. */
export interface ZoneFacts {
  readonly zone: Zone;
  readonly serial: number;
}

export class ZoneBytes {
  readonly apex: string;
  /** Behind the owner's name: type, class, TTL, length, data; and where in it pointers to the apex stand. */
  private record = new Uint8Array(0);
  private pointers: readonly number[] = [];
  private ttl = 0;
  private negativeTtl = 0;

  constructor(facts: ZoneFacts) {
    this.apex = facts.zone.apex;
    this.set(facts);
  }

  /** Takes the zone as it is now; its apex stays. */
  set({ zone, serial }: ZoneFacts): void {
    const pointers: number[] = [];
    const bytes: number[] = [0, TYPE.SOA, 0, CLASS_IN, 0, 0, 0, 0, 0, 0];
    for (const name of [zone.nameServers[0] ?? zone.apex, zone.mailbox]) {
      const whole = nameBytes(name);
      if (zone.apex === '' || !isWithin(name, zone.apex)) bytes.push(...whole);
      else {
        bytes.push(...whole.subarray(0, whole.length - zone.apex.length - 2));
        pointers.push(bytes.length);
        bytes.push(0, 0);
      }
    }
    for (const value of [serial, zone.refresh, zone.retry, zone.expire, zone.minimum])
      bytes.push(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
    bytes[9] = bytes.length - 10;
    this.record = Uint8Array.from(bytes);
    this.pointers = pointers;
    this.ttl = zone.ttl;
    this.negativeTtl = Math.min(zone.ttl, zone.minimum);
  }

  /**
   * Writes the SOA record at output[at…]; the message's question has the apex at `apexAt` bytes into its name. `negative`: for the
   * authority section of an answer that says that something is not there. Gives its length.
   */
  writeSoa(output: Uint8Array, at: number, apexAt: number, negative: boolean): number {
    const pointer = 0xc000 | (HEADER + apexAt);
    const ttl = negative ? this.negativeTtl : this.ttl;
    output[at] = pointer >> 8;
    output[at + 1] = pointer & 255;
    const from = at + 2;
    output.set(this.record, from);
    output[from + 4] = ttl >>> 24;
    output[from + 5] = (ttl >>> 16) & 255;
    output[from + 6] = (ttl >>> 8) & 255;
    output[from + 7] = ttl & 255;
    for (const offset of this.pointers) {
      output[from + offset] = pointer >> 8;
      output[from + offset + 1] = pointer & 255;
    }
    return 2 + this.record.length;
  }
}
