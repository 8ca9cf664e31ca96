/**
 * Writes one message with its names compressed (RFC 1035 §4.1.4).
 */
import { addressBytes } from '../../sdk/wire/address.ts';
import { nameBytes, parentOf } from './names.ts';
import { CLASS_IN, FLAG, HEADER, TYPE } from './numbers.ts';
import type { RecordData, Zone } from './view.ts';

/** What a message holds at most: TCP's length field (RFC 1035 §4.2.2). */
export const LARGEST_MESSAGE = 65_535;

/** Offsets that a pointer can name. */
const REACH = 0x4000;

/** The two bits that make a length a pointer. */
const POINTER = 0xc000;

const encoder = new TextEncoder();

export type Section = 'answer' | 'authority' | 'additional';
const COUNT_AT: Readonly<Record<Section, number>> = { answer: 6, authority: 8, additional: 10 };

export class MessageWriter {
  private bytes = new Uint8Array(1024);
  private view = new DataView(this.bytes.buffer);
  private at = HEADER;
  /** Names that are in the message, and where. */
  private readonly known = new Map<string, number>();

  /** Bytes so far. */
  get length(): number {
    return this.at;
  }

  question(name: string, type: number): void {
    this.name(name);
    this.u16(type);
    this.u16(CLASS_IN);
    this.view.setUint16(4, 1);
  }

  /** Appends a record; false, and the message as it was, when it has no room within `limit` bytes. */
  record(section: Section, name: string, ttl: number, data: RecordData, limit = LARGEST_MESSAGE): boolean {
    return this.attempt(section, limit, () => {
      const lengthAt = this.head(name, TYPE[data.type], ttl);
      this.data(data);
      this.view.setUint16(lengthAt, this.at - lengthAt - 2);
    });
  }

  /** Appends a zone's SOA record (RFC 1035 §3.3.13). */
  soa(section: Section, zone: Zone, serial: number, ttl: number, limit = LARGEST_MESSAGE): boolean {
    return this.attempt(section, limit, () => {
      const lengthAt = this.head(zone.apex, TYPE.SOA, ttl);
      this.name(zone.nameServers[0] ?? zone.apex);
      this.name(zone.mailbox);
      for (const value of [serial, zone.refresh, zone.retry, zone.expire, zone.minimum]) this.u32(value);
      this.view.setUint16(lengthAt, this.at - lengthAt - 2);
    });
  }

  /** The message with these flags; the writer is of no more use. */
  finish(flags: number, rcode: number): Uint8Array {
    this.view.setUint16(2, FLAG.QR | flags | rcode);
    return this.bytes.slice(0, this.at);
  }

  private attempt(section: Section, limit: number, write: () => void): boolean {
    const before = this.at;
    write();
    if (this.at > limit) {
      this.at = before;
      for (const [name, at] of this.known) if (at >= before) this.known.delete(name);
      return false;
    }
    const countAt = COUNT_AT[section];
    this.view.setUint16(countAt, this.view.getUint16(countAt) + 1);
    return true;
  }

  /** Gives where the length of the data has to be written. */
  private head(name: string, type: number, ttl: number): number {
    this.name(name);
    this.u16(type);
    this.u16(CLASS_IN);
    this.u32(ttl);
    this.u16(0);
    return this.at - 2;
  }

  private data(data: RecordData): void {
    switch (data.type) {
      case 'A':
      case 'AAAA':
        this.put(addressBytes(data.address));
        break;
      case 'NS':
      case 'CNAME':
        this.name(data.target);
        break;
      case 'SRV':
        this.u16(data.priority);
        this.u16(data.weight);
        this.u16(data.port);
        // RFC 2782: the target is not compressed.
        this.put(nameBytes(data.target));
        break;
      case 'TXT':
        for (const text of data.texts) {
          const bytes = encoder.encode(text);
          if (bytes.length > 255) throw new RangeError(`a TXT string of ${bytes.length} bytes`);
          this.put(Uint8Array.of(bytes.length));
          this.put(bytes);
        }
    }
  }

  private name(name: string): void {
    const whole = nameBytes(name);
    let suffix: string | undefined = name;
    let offset = 0;
    while (suffix !== undefined && suffix !== '') {
      const known = this.known.get(suffix);
      if (known !== undefined) {
        this.put(whole.subarray(0, offset));
        this.u16(POINTER | known);
        return;
      }
      if (this.at + offset < REACH) this.known.set(suffix, this.at + offset);
      offset += whole[offset]! + 1;
      suffix = parentOf(suffix);
    }
    this.put(whole);
  }

  private u16(value: number): void {
    this.room(2);
    this.view.setUint16(this.at, value);
    this.at += 2;
  }

  private u32(value: number): void {
    this.room(4);
    this.view.setUint32(this.at, value);
    this.at += 4;
  }

  private put(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  private room(length: number): void {
    if (this.at + length <= this.bytes.length) return;
    const larger = new Uint8Array(2 * (this.at + length));
    larger.set(this.bytes);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}
