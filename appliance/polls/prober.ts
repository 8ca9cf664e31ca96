/**
 * Measures round trips from this manager to others that have offers, begun by their notices (docs/protocol.md, Polls). Bounded in total
 * rate, so that a thin link carries calls and not probes.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { WireError } from '../../sdk/wire/errors.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import type { PollMessage, ToldPath } from '../../sdk/wire/poll-messages.ts';
import { decodePoll, encodePoll } from '../../sdk/wire/polls.ts';
import type { Clock, Millis, Random, Timer } from '../host/ports.ts';
import { followed, type RoundTrip } from './round-trip.ts';

/** Between two probes of one manager, at random within half to all of it; of many managers so much for each. So what comes is bounded, too. */
const EVERY: Millis = 5000;
const EACH: Millis = 250;
/** Between two probes of any, at least. */
const GAP: Millis = 50;
/** A notice is heard by all appliances at once: they begin at random within this. */
const FIRST: Millis = 1000;
/** bits of a probe on the wire, with its headers; and the part of the thinnest link that all of them together may take. */
const PROBE = 720;
const SHARE = 0.01;
const LOST: Millis = 2000;
const MOST = 1000;

/** Where a manager is asked. */
export interface Target {
  readonly addresses: readonly Address[];
  readonly port: number;
}

interface Probed {
  target: Target;
  trip: RoundTrip | undefined;
  /** When it is its turn. */
  due: Millis;
  open: { readonly nonce: string; readonly at: Millis } | undefined;
  /** Which of its addresses; the next one after a loss. */
  turn: number;
}

export interface ProberOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly send: (bytes: Uint8Array, port: number, address: Address) => void;
  /** bit/s of the thinnest link that probes may leave by; 0 = not known. */
  readonly thinnest?: () => number;
}

export class Prober {
  private readonly options: ProberOptions;
  private readonly probed = new Map<ManagerId, Probed>();
  private readonly open = new Map<string, Probed>();
  private timer: Timer | undefined;

  constructor(options: ProberOptions) {
    this.options = options;
  }

  /** Begins to measure, or goes on with other addresses. */
  want(manager: ManagerId, target: Target): void {
    const known = this.probed.get(manager);
    if (known !== undefined) known.target = target;
    else if (this.probed.size < MOST && target.addresses.length > 0) {
      const { clock, random } = this.options;
      const due = clock.now() + random.uniform() * FIRST;
      this.probed.set(manager, { target, trip: undefined, due, open: undefined, turn: 0 });
      this.arm();
    }
  }

  /** Whether it is measured already. */
  wants(manager: ManagerId): boolean {
    return this.probed.has(manager);
  }

  forget(manager: ManagerId): void {
    const probed = this.probed.get(manager);
    if (probed?.open !== undefined) this.open.delete(probed.open.nonce);
    this.probed.delete(manager);
  }

  /** A datagram that came back; what is no echo of an open probe is dropped. */
  receive(bytes: Uint8Array): void {
    const message = read(bytes);
    if (message === undefined) return;
    const probed = message.type === 'echo' ? this.open.get(`${message.nonce}`) : undefined;
    if (probed?.open === undefined) return;
    this.open.delete(probed.open.nonce);
    probed.trip = followed(probed.trip, this.options.clock.now() - probed.open.at);
    probed.open = undefined;
  }

  /** What a reply to a poll says. */
  told(): readonly ToldPath[] {
    return [...this.probed].flatMap(([manager, { trip }]) =>
      trip === undefined
        ? []
        : [
            {
              manager,
              rtt: micros(trip.rtt),
              jitter: micros(trip.jitter),
              loss: Math.round(trip.loss * 1000),
            },
          ],
    );
  }

  close(): void {
    this.timer?.cancel();
    this.probed.clear();
    this.open.clear();
  }

  private arm(): void {
    if (this.timer !== undefined || this.probed.size === 0) return;
    const next = Math.min(...[...this.probed.values()].map(({ due }) => due));
    const rate = this.options.thinnest?.() ?? 0;
    const gap = rate === 0 ? GAP : Math.max(GAP, (1000 * PROBE) / (rate * SHARE));
    const wait = Math.max(gap, next - this.options.clock.now());
    this.timer = this.options.clock.after('probe', wait, () => {
      this.timer = undefined;
      this.turn();
      this.arm();
    });
  }

  /** One probe: of the one that has waited longest. */
  private turn(): void {
    const { clock, random, send } = this.options;
    const now = clock.now();
    let first: Probed | undefined;
    for (const probed of this.probed.values())
      if (probed.due <= now && (first === undefined || probed.due < first.due)) first = probed;
    if (first === undefined) return;
    if (first.open !== undefined) {
      this.open.delete(first.open.nonce);
      first.open = undefined;
      first.trip = followed(first.trip, undefined);
      first.turn++;
    }
    const { addresses, port } = first.target;
    const nonce = random.bytes(8);
    first.open = { nonce: `${nonce}`, at: now };
    const every = Math.max(EVERY, EACH * this.probed.size);
    first.due = now + Math.max(LOST, every * (0.5 + random.uniform() / 2));
    this.open.set(first.open.nonce, first);
    send(encodePoll({ type: 'probe', nonce }), port, addresses[first.turn % addresses.length]!);
  }
}

/** Undefined for what is no message of polls. */
function read(bytes: Uint8Array): PollMessage | undefined {
  try {
    return decodePoll(bytes);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

const micros = (ms: Millis): number => Math.min(0xffff_ffff, Math.round(ms * 1000));
