/**
 * Cookies that prove that a source of UDP queries is where it says (docs/protocol.md, Cookies; after RFC 7873 §5 and RFC 9018):
 * a keyed hash of its address, so that nothing is kept for it.
 */
import { type Address, addressBytes } from '../../sdk/wire/address.ts';
import type { Clock, Millis, Random } from '../host/ports.ts';
import { sipHash } from './siphash.ts';

/** A secret serves for this long, and is then still accepted for as long again: a cookie holds for 10 to 20 minutes. */
export const SECRET_LIFE: Millis = 600_000;

export class Cookies {
  private readonly clock: Clock;
  private readonly random: Random;
  private current: Uint8Array;
  private previous: Uint8Array;
  private since: Millis;

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
    this.current = random.bytes(16);
    this.previous = random.bytes(16);
    this.since = clock.now();
  }

  /** The 8 bytes that `source` has to show. */
  issue(source: Address): Uint8Array {
    this.rotate();
    return sipHash(this.current, addressBytes(source));
  }

  /** Whether `cookie` was issued to `source`, not too long ago, by this manager since it started. */
  valid(cookie: Uint8Array, source: Address): boolean {
    this.rotate();
    if (cookie.length !== 8) return false;
    const bytes = addressBytes(source);
    return equal(cookie, sipHash(this.current, bytes)) || equal(cookie, sipHash(this.previous, bytes));
  }

  private rotate(): void {
    const age = this.clock.now() - this.since;
    if (age < SECRET_LIFE) return;
    this.previous = age < 2 * SECRET_LIFE ? this.current : this.random.bytes(16);
    this.current = this.random.bytes(16);
    this.since = this.clock.now();
  }
}

/** In the same time wherever they differ. */
function equal(left: Uint8Array, right: Uint8Array): boolean {
  let difference = 0;
  for (let index = 0; index < 8; index++) difference |= left[index]! ^ right[index]!;
  return difference === 0;
}
