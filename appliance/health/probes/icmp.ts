/**
 * `icmp`: the host answers an echo request. One raw socket a family serves all checks; answers find theirs by the sequence number.
 */
import { type Address, type Family, familyOf } from '../../../sdk/wire/address.ts';
import type { Random, RawSocket, RawSockets } from '../../host/ports.ts';
import { decodeIcmp, encodeEchoRequest } from '../codec/icmp.ts';
import { failed, inconclusive, type Probe, type ProbeResult, passed } from '../probe.ts';

interface Waiting {
  readonly address: Address;
  /** Random data that the reply must bring back: nobody off the path can make it. */
  readonly data: Uint8Array;
  readonly settle: (result: ProbeResult) => void;
}

const DATA_LENGTH = 16;
const PROTOCOL = { 4: 1, 6: 58 } as const;

/** Sequence numbers are 16 bits: so many may wait at once. */
const SEQUENCES = 0x1_0000;

export function icmpProbe(raw: RawSockets, random: Random): Probe {
  const pings = { 4: new Pings(4, random), 6: new Pings(6, random) } as const;
  return (target, attempt) => {
    const { address } = target;
    const pinger = pings[familyOf(address)];
    const data = random.bytes(DATA_LENGTH);
    attempt.stage = 'no answer';
    return new Promise(resolve => {
      const sequence = pinger.send(raw, {
        address,
        data,
        settle: result => {
          attempt.signal.removeEventListener('abort', onAbort);
          resolve(result);
        },
      });
      const onAbort = (): void => pinger.settle(sequence, failed('check-timeout', 'icmp was given up'));
      attempt.signal.addEventListener('abort', onAbort);
    });
  };
}

/** The pings of one family that wait for their answers. */
class Pings {
  private readonly family: Family;
  private readonly identifier: number;
  private readonly waiting = new Map<number, Waiting>();
  private next: number;
  private socket: RawSocket | undefined;

  constructor(family: Family, random: Random) {
    this.family = family;
    this.identifier = Math.floor(random.uniform() * 0x1_0000);
    this.next = Math.floor(random.uniform() * SEQUENCES);
  }

  /** Gives the sequence number. */
  send(raw: RawSockets, ping: Waiting): number {
    const sequence = this.next;
    this.next = (sequence + 1) % SEQUENCES;
    this.settle(sequence, inconclusive('icmp could not be checked: too many pings wait for an answer'));
    this.waiting.set(sequence, ping);
    try {
      this.socket ??= raw.open(this.family, PROTOCOL[this.family], false, (packet, from) =>
        this.hear(packet, from),
      );
      const { identifier } = this;
      this.socket.send(
        encodeEchoRequest(this.family, { identifier, sequence, data: ping.data }),
        ping.address,
      );
    } catch (error) {
      // Settled only after the caller has the number.
      queueMicrotask(() =>
        this.settle(sequence, inconclusive(`icmp could not be checked: ${(error as Error).message}`)),
      );
    }
    return sequence;
  }

  settle(sequence: number, result: ProbeResult): void {
    const ping = this.waiting.get(sequence);
    this.waiting.delete(sequence);
    ping?.settle(result);
  }

  private hear(packet: Uint8Array, from: Address): void {
    const message = decodeIcmp(this.family, packet);
    if (message === undefined || message.identifier !== this.identifier) return;
    const ping = this.waiting.get(message.sequence);
    if (ping === undefined) return;
    if (message.kind === 'unreachable') {
      if (message.to === ping.address)
        this.settle(
          message.sequence,
          failed(
            'check-unreachable',
            `icmp: ${from} says that ${ping.address} is unreachable (code ${message.code})`,
          ),
        );
    } else if (from === ping.address && sameBytes(message.data, ping.data)) {
      this.settle(message.sequence, passed('icmp passed'));
    }
  }
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
