/**
 * The VIPs that this host takes packets for, so that IPVS meets them. A VIP whose last connections have just been cut stays a moment, so
 * that their clients are told: the kernel itself resets what it knows nothing of.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Clock, Timer } from '../host/ports.ts';
import { localRoute } from './local-routes.ts';
import type { Send } from './socket.ts';

/** ms. Long enough for the probes of the cutter and their answers; what comes for another host of the same VIP is refused so long. */
const LATE = 1500;

export class LocalVips {
  private readonly send: Send;
  private readonly clock: Clock;
  private readonly there = new Set<Address>();
  private readonly late = new Map<Address, Timer>();

  constructor(send: Send, clock: Clock) {
    this.send = send;
    this.clock = clock;
  }

  /** What an earlier daemon left. */
  adopt(vips: Iterable<Address>): void {
    for (const vip of vips) this.there.add(vip);
  }

  has(vip: Address): boolean {
    return this.there.has(vip);
  }

  all(): readonly Address[] {
    return [...this.there];
  }

  /** Adds those that are missing; gives those that the kernel refused. */
  async add(vips: readonly Address[]): Promise<ReadonlySet<Address>> {
    for (const vip of vips) this.expect(vip);
    const missing = vips.filter(vip => !this.there.has(vip));
    const errors = await this.send(missing.map(vip => localRoute(vip, true)));
    const refused = new Set<Address>();
    for (const [at, vip] of missing.entries())
      if (errors[at] === 0) this.there.add(vip);
      else refused.add(vip);
    return refused;
  }

  /** Takes VIPs out: at once, or those of `late` after a moment, unless they are wanted again. */
  async remove(vips: readonly Address[], late: ReadonlySet<Address>): Promise<void> {
    for (const vip of vips) {
      if (!late.has(vip)) continue;
      this.late.get(vip)?.cancel();
      this.late.set(
        vip,
        this.clock.after('ipvs-late-vip', LATE, () => {
          this.late.delete(vip);
          this.drop([vip]).catch(() => {});
        }),
      );
    }
    await this.drop(vips.filter(vip => !late.has(vip) && !this.late.has(vip)));
  }

  close(): void {
    for (const timer of this.late.values()) timer.cancel();
    this.late.clear();
  }

  private expect(vip: Address): void {
    this.late.get(vip)?.cancel();
    this.late.delete(vip);
  }

  private async drop(vips: readonly Address[]): Promise<void> {
    if (vips.length === 0) return;
    for (const vip of vips) this.there.delete(vip);
    await this.send(vips.map(vip => localRoute(vip, false)));
  }
}
