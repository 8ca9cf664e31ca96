/**
 * What the agent has changed on this host and what it holds, on disk: written before each change, so that a run that was killed
 * leaves nothing that the next one does not know as its own.
 */
import type { Memory } from '../../sdk/server/memory.ts';
import { type Address, parseAddress } from '../../sdk/wire/address.ts';
import { decodeLease, encodeLease } from '../../sdk/wire/lease.ts';
import type { Files, Log } from '../host/ports.ts';

/** What was done, to be undone. */
export interface Changes {
  /** VIPs that this agent put on loopback. */
  readonly vips: readonly Address[];
  /** Kernel parameters that it changed: path → value before. */
  readonly parameters: Readonly<Record<string, string>>;
}

interface Stored {
  readonly boot: string;
  readonly changes: Changes;
  readonly epoch: number;
  readonly manager: Memory['manager'] | null;
  readonly leases: readonly { readonly plan: string; readonly lease: string }[];
  /** Their issuers' certificates, DER in base64; absent in what older agents wrote. */
  readonly issuers?: readonly string[];
}

const NOTHING: Changes = { vips: [], parameters: {} };

export class Ledger {
  changes: Changes = NOTHING;
  memory: Memory | undefined;
  private readonly files: Files;
  private readonly path: string;
  private readonly log: Log;
  private readonly boot: string;

  /** Reads the file; one that cannot be read is set aside under `.bad` and said so. */
  constructor(files: Files, path: string, log: Log) {
    this.files = files;
    this.path = path;
    this.log = log;
    this.boot = files.read('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
    const text = files.read(path);
    if (text === undefined) return;
    try {
      this.read(JSON.parse(text) as Stored);
    } catch (error) {
      files.rename(path, `${path}.bad`);
      log('warning', 'agent-state-unreadable', {
        path,
        error: (error as Error).message,
        kept: `${path}.bad`,
      });
    }
  }

  /** Notes what is about to be changed. Throws if it cannot be written: then don't. */
  note(changes: Changes): void {
    this.changes = changes;
    this.write();
  }

  /** Keeps what the next run needs. A disk that is full costs only the memory. */
  remember(memory: Memory): void {
    this.memory = memory;
    try {
      this.write();
    } catch (error) {
      this.log('warning', 'agent-state-unwritable', { path: this.path, error: (error as Error).message });
    }
  }

  private read(stored: Stored): void {
    const leases = stored.leases.map(({ plan, lease }) => ({
      plan: String(plan),
      lease: decodeLease(Uint8Array.from(Buffer.from(lease, 'base64'))),
    }));
    if (!Number.isSafeInteger(stored.epoch) || stored.epoch < 1) throw new Error(`epoch ${stored.epoch}`);
    const vips = stored.changes.vips.map(text => parseAddress(text)!);
    if (vips.includes(undefined as never)) throw new Error('a VIP is no address');
    const issuers = (stored.issuers ?? []).map(one => Uint8Array.from(Buffer.from(one, 'base64')));
    this.memory = { epoch: stored.epoch, leases, manager: stored.manager ?? undefined, issuers };
    // After a reboot the kernel has forgotten what was changed, and so should the agent.
    if (stored.boot === this.boot) this.changes = { vips, parameters: { ...stored.changes.parameters } };
  }

  private write(): void {
    const { epoch = 1, leases = [], manager, issuers = [] } = this.memory ?? {};
    const stored: Stored = {
      boot: this.boot,
      changes: this.changes,
      epoch,
      manager: manager ?? null,
      leases: leases.map(({ plan, lease }) => ({
        plan,
        lease: Buffer.from(encodeLease(lease)).toString('base64'),
      })),
      issuers: issuers.map(one => Buffer.from(one).toString('base64')),
    };
    this.files.makeDirectory(this.path.slice(0, this.path.lastIndexOf('/')) || '/');
    this.files.write(this.path, `${JSON.stringify(stored, null, 2)}\n`, 0o600);
  }
}
