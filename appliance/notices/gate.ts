/**
 * Which messages are worth a signature's verification (0.1 ms each), and whether they are authentic. What is refused is counted, and
 * said now and then.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { signedPart } from '../../sdk/wire/signing.ts';
import type { Clock, Log, Millis, Verify } from '../host/ports.ts';
import type { Counters } from '../notifier/counters.ts';
import { SourceLimits } from '../responder/source-limits.ts';

/** Signatures that are verified in a second, in all, and of a source that sent a wrong one lately. */
const VERIFIED = 4000;
const SUSPECT = 50;
/** How long a source is under suspicion, and how many are remembered. */
const SUSPICION: Millis = 10_000;
const SUSPECTS = 1024;
/** One line of the log for each sort of refusal in this time. */
const QUIET: Millis = 10_000;

export class Gate {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly verify: Verify;
  private readonly counters: Counters;
  private readonly all: SourceLimits<'all'>;
  private readonly suspects = new Map<Address, Millis>();
  private readonly suspected: SourceLimits<Address>;
  private readonly said = new Map<string, Millis>();

  constructor(clock: Clock, log: Log, verify: Verify, counters: Counters) {
    this.clock = clock;
    this.log = log;
    this.verify = verify;
    this.counters = counters;
    this.all = new SourceLimits(clock, VERIFIED / 2, () => {});
    this.suspected = new SourceLimits(clock, SUSPECT / 2, () => {});
  }

  /** Whether the message is signed by the key. One that there is no time for counts as not. */
  authentic(
    publicKey: Uint8Array,
    bytes: Uint8Array,
    signature: Uint8Array,
    from: Address,
    manager: string,
  ): boolean {
    const until = this.suspects.get(from);
    if (until !== undefined && until < this.clock.now()) this.suspects.delete(from);
    const slow = until !== undefined && !this.suspected.allow(from);
    if (slow || !this.all.allow('all')) {
      this.counters.add('limit-verifications');
      return false;
    }
    if (this.verify(publicKey, signedPart(bytes), signature)) return true;
    if (this.suspects.size < SUSPECTS) this.suspects.set(from, this.clock.now() + SUSPICION);
    this.refuse('signature', from, { manager });
    return false;
  }

  /** Counts a refusal, and logs it unless one of its sort was logged a moment ago. */
  refuse(why: string, from: Address, fields: Readonly<Record<string, unknown>> = {}): void {
    const name = `refused-${why}`;
    this.counters.add(name);
    const now = this.clock.now();
    const last = this.said.get(why);
    if (last !== undefined && now - last < QUIET) return;
    this.said.set(why, now);
    this.log('warning', 'notice-refused', { why, from, count: this.counters.get(name), ...fields });
  }
}
