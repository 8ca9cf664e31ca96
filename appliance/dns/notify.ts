/**
 * Tells secondaries that a zone has changed (NOTIFY, RFC 1996), until each has said that it heard; not more often than it is of use.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Clock, DatagramSocket, Log, Millis, Net, Random, Timer } from '../host/ports.ts';
import type { Authority } from './authority.ts';
import { FLAG, HEADER, OPCODE, TYPE } from './numbers.ts';
import { MessageWriter } from './writer.ts';

export interface Secondary {
  readonly address: Address;
  readonly port: number;
}

/** Changes that come closer together are told of as one. */
export const NOTIFY_EVERY: Millis = 1000;
/** RFC 1996 §3.6: again after so long, twice as long each time, so many times in all. */
const FIRST_WAIT: Millis = 1000;
const TRIES = 6;

interface Told {
  readonly id: number;
  tries: number;
  timer: Timer;
}

export interface NotifyDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  readonly log: Log;
  readonly authority: Authority;
}

export class Notifier {
  private readonly deps: NotifyDeps;
  private readonly secondaries: readonly Secondary[];
  private readonly sockets = new Map<4 | 6, DatagramSocket>();
  /** By zone and secondary. */
  private readonly told = new Map<string, Told>();
  private pending: Timer | undefined;
  private last: Millis;

  constructor(deps: NotifyDeps, secondaries: readonly Secondary[]) {
    this.deps = deps;
    this.secondaries = secondaries;
    this.last = deps.clock.now() - NOTIFY_EVERY;
  }

  /** Opens a socket for each family that there is a secondary of. Rejects when it cannot. */
  async open(): Promise<void> {
    for (const { address } of this.secondaries) {
      const family = address.includes(':') ? 6 : 4;
      if (this.sockets.has(family)) continue;
      const any = (family === 6 ? '::' : '0.0.0.0') as Address;
      const socket = await this.deps.net.datagram(
        { address: any, port: 0 },
        (bytes, from) => this.hear(bytes, from),
        () => {},
      );
      this.sockets.set(family, socket);
    }
  }

  /** The zones have changed. */
  changed(): void {
    if (this.secondaries.length === 0 || this.pending !== undefined) return;
    const wait = Math.max(0, this.last + NOTIFY_EVERY - this.deps.clock.now());
    this.pending = this.deps.clock.after('dns-notify', wait, () => {
      this.pending = undefined;
      this.last = this.deps.clock.now();
      for (const { apex } of this.deps.authority.view.zones)
        for (const secondary of this.secondaries) this.tell(apex, secondary);
    });
  }

  close(): void {
    this.pending?.cancel();
    for (const { timer } of this.told.values()) timer.cancel();
    this.told.clear();
    for (const socket of this.sockets.values()) socket.close();
    this.sockets.clear();
  }

  private tell(apex: string, to: Secondary): void {
    const key = `${apex} ${to.address} ${to.port}`;
    this.told.get(key)?.timer.cancel();
    const id = new DataView(this.deps.random.bytes(2).buffer).getUint16(0);
    const told: Told = { id, tries: 0, timer: { cancel: () => {} } };
    this.told.set(key, told);
    const attempt = (): void => {
      if (told.tries === TRIES) {
        this.told.delete(key);
        this.deps.log('warning', 'dns-secondary-silent', { zone: apex, secondary: to.address });
        return;
      }
      this.send(apex, to, id);
      told.timer = this.deps.clock.after('dns-notify-again', FIRST_WAIT * 2 ** told.tries++, attempt);
    };
    attempt();
  }

  private send(apex: string, to: Secondary, id: number): void {
    const { view, serial } = this.deps.authority;
    const zone = view.zones.find(one => one.apex === apex);
    if (zone === undefined) return;
    const writer = new MessageWriter();
    writer.question(apex, TYPE.SOA);
    writer.soa('answer', zone, serial, zone.ttl);
    const bytes = writer.finish(FLAG.AA | (OPCODE.NOTIFY << 11), 0);
    // A request, where all else that is written here is an answer.
    bytes[2]! &= 0x7f;
    bytes[0] = id >> 8;
    bytes[1] = id & 255;
    this.sockets.get(to.address.includes(':') ? 6 : 4)?.send(bytes, to.port, to.address);
  }

  /** Any answer to it says that it was heard (RFC 1996 §4.8). */
  private hear(bytes: Uint8Array, from: Address): void {
    if (bytes.length < HEADER || (bytes[2]! & 0xf8) !== (0x80 | (OPCODE.NOTIFY << 3))) return;
    const id = (bytes[0]! << 8) | bytes[1]!;
    for (const [key, told] of this.told) {
      if (told.id !== id || key.split(' ')[1] !== from) continue;
      told.timer.cancel();
      this.told.delete(key);
    }
  }
}
