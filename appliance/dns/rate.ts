/**
 * Response rate limiting: answers alike to one network are held to a rate, so that nobody can be flooded with them in another's name.
 * Buckets are shared by whoever hashes alike: the table is as large as it is, whatever comes.
 */
import type { Millis, Random } from '../host/ports.ts';
import { isMapped } from './cookies.ts';

export interface RateLimits {
  /** Answers alike a second to one network (IPv4 /24, IPv6 /56); 0: no limit. */
  readonly rate: number;
  /** Every so many of those over the limit are answered with an empty, truncated answer, so that who is real can come by TCP; 0: none. */
  readonly slip: number;
}

export type RateVerdict = 'send' | 'slip' | 'drop';

const BUCKETS = 1 << 16;
/** Seconds' worth of answers that may come at once. */
const BURST = 2;

export class ResponseRate {
  private readonly limits: RateLimits;
  private readonly seed: number;
  private readonly tokens = new Float32Array(BUCKETS);
  private readonly filledAt = new Float64Array(BUCKETS);
  private over = 0;

  constructor(limits: RateLimits, random: Random) {
    this.limits = limits;
    this.seed = new DataView(random.bytes(4).buffer).getInt32(0);
    this.tokens.fill(limits.rate * BURST);
  }

  /** `kind`: a number of the answers that are alike. `source`: the 16 bytes of an address. */
  judge(kind: number, source: Uint8Array, at: number, now: Millis): RateVerdict {
    const { rate, slip } = this.limits;
    if (rate === 0) return 'send';
    const bucket = this.bucket(kind, source, at);
    const tokens = Math.min(
      rate * BURST,
      this.tokens[bucket]! + ((now - this.filledAt[bucket]!) * rate) / 1000,
    );
    this.filledAt[bucket] = now;
    if (tokens >= 1) {
      this.tokens[bucket] = tokens - 1;
      return 'send';
    }
    this.tokens[bucket] = tokens;
    this.over++;
    return slip > 0 && this.over % slip === 0 ? 'slip' : 'drop';
  }

  private bucket(kind: number, source: Uint8Array, at: number): number {
    const [first, last] = isMapped(source, at) ? [at + 12, at + 15] : [at, at + 7];
    let hash = this.seed ^ kind;
    for (let index = first; index < last; index++) hash = Math.imul(hash ^ source[index]!, 0x01000193);
    // MurmurHash3's last mixing.
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) % BUCKETS;
  }
}
