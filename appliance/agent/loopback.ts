/**
 * VIPs on loopback: this host takes packets for them, and nobody else's ARP is told of it (arp.ts). Removes only what it has
 * added itself.
 */
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import type { Exec, Log } from '../host/ports.ts';
import type { Ledger } from './ledger.ts';

/** For people who look at `ip addr`: IPv4 addresses of the agent bear it. */
const LABEL = 'lo:bivouac';
const TIMEOUT = 5000;

export class Loopback {
  private readonly exec: Exec;
  private readonly ledger: Ledger;
  private readonly log: Log;
  private readonly seen: () => readonly Address[];
  /** One command after the other. */
  private queue: Promise<void> = Promise.resolve();

  /** `seen`: addresses that are known to be on loopback now, without asking; may be none. */
  constructor(exec: Exec, ledger: Ledger, log: Log, seen: () => readonly Address[] = () => []) {
    this.exec = exec;
    this.ledger = ledger;
    this.log = log;
    this.seen = seen;
  }

  /** VIPs that an earlier run left are taken over; those that are not `wanted` go. */
  adopt(wanted: readonly Address[]): Promise<void> {
    return this.serialize(async () => {
      for (const vip of this.ledger.changes.vips) {
        const keep = wanted.includes(vip);
        this.log('notice', keep ? 'vip-adopted' : 'vip-left-over', { vip });
        if (!keep) await this.take(vip);
      }
    });
  }

  /** Idempotent. Rejects with the complaint of `ip`. One that somebody else has put there is used, and stays theirs. */
  install(vip: Address): Promise<void> {
    return this.serialize(async () => {
      const own = this.ledger.changes.vips.includes(vip);
      // A move installs what is there already: no program is run for it.
      if (own && this.seen().includes(vip)) return;
      const present = (await this.present()).includes(vip);
      if (present) {
        if (!own)
          this.log('warning', 'vip-not-ours', { vip, said: 'it is on lo already, and will be left there' });
        return;
      }
      if (!own) this.write([...this.ledger.changes.vips, vip]);
      const kind = familyOf(vip) === 4 ? ['label', LABEL] : ['nodad'];
      await this.ip('address', 'add', prefix(vip), 'dev', 'lo', ...kind);
      this.log('info', 'vip-installed', { vip });
    });
  }

  /** Idempotent; leaves alone what it did not install. */
  remove(vip: Address): Promise<void> {
    return this.serialize(() => this.take(vip));
  }

  /** Removes everything that it has installed. */
  clear(): Promise<void> {
    return this.serialize(async () => {
      for (const vip of this.ledger.changes.vips) await this.take(vip);
    });
  }

  private async take(vip: Address): Promise<void> {
    if (!this.ledger.changes.vips.includes(vip)) return;
    if ((await this.present()).includes(vip)) {
      await this.ip('address', 'delete', prefix(vip), 'dev', 'lo');
      this.log('info', 'vip-removed', { vip });
    }
    this.write(this.ledger.changes.vips.filter(entry => entry !== vip));
  }

  private write(vips: readonly Address[]): void {
    this.ledger.note({ ...this.ledger.changes, vips });
  }

  private async present(): Promise<readonly string[]> {
    const text = await this.ip('-json', 'address', 'show', 'dev', 'lo');
    const [lo] = JSON.parse(text) as { addr_info?: { local?: string }[] }[];
    return (lo?.addr_info ?? []).map(entry => entry.local ?? '');
  }

  private async ip(...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.exec.run('ip', args, { timeout: TIMEOUT });
    if (status === 0) return stdout;
    const why = stderr.trim() || (status === -1 ? `not done within ${TIMEOUT} ms` : `status ${status}`);
    throw new Error(`ip ${args.join(' ')}: ${why}`);
  }

  private serialize(run: () => Promise<void>): Promise<void> {
    const done = this.queue.then(run);
    this.queue = done.catch(() => {});
    return done;
  }
}

const prefix = (vip: Address): string => `${vip}/${familyOf(vip) === 4 ? 32 : 128}`;
