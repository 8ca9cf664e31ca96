/**
 * Asking a manager to register this server: with which epoch, with which leases, and again with a greater epoch where a greater one
 * is known already (docs/protocol.md §5.4, §6.2).
 */
import type { Address } from '../wire/address.ts';
import { VERSION } from '../wire/messages.ts';
import type { Lease, ServerId } from '../wire/model.ts';
import type { Attachment } from './attachment.ts';
import { above, type Home, isHome } from './epoch.ts';
import { type ManagerAddress, type RefusedEvent, sameManager } from './events.ts';
import { Issuers, type Memory } from './memory.ts';

export interface EnrolmentOptions {
  readonly server: ServerId;
  readonly name: string;
  readonly software: string;
  /** Wished interval of heartbeats, ms; 0 = the manager's default. */
  readonly heartbeat: number;
}

export interface EnrolmentPorts {
  readonly addresses: (to: ManagerAddress, local: Address | undefined) => readonly Address[];
  readonly leases: () => readonly Lease[];
  readonly onRefused: (event: RefusedEvent) => void;
}

/** `code`: what the manager refused with; undefined: it did not answer as a manager does. */
export type Outcome =
  | { readonly type: 'registered' }
  | { readonly type: 'failed'; readonly code: string | undefined; readonly reason: string };

/** Leases and addresses in one `register` (docs/protocol.md, Limits). */
const MOST = { leases: 256, addresses: 8 } as const;

export class Enrolment {
  epoch: number;
  /** Where the epoch was last used. */
  home: Home | undefined;
  readonly issuers: Issuers;
  private step = 1;
  private readonly options: EnrolmentOptions;
  private readonly ports: EnrolmentPorts;

  constructor(options: EnrolmentOptions, memory: Memory | undefined, ports: EnrolmentPorts) {
    this.options = options;
    this.ports = ports;
    this.epoch = memory?.epoch ?? 1;
    this.home = memory?.manager;
    this.issuers = new Issuers(memory?.issuers);
  }

  /** Registers at a manager that has opened. `done` is not called if the connection ends before. */
  enrol(attachment: Attachment, done: (outcome: Outcome) => void): void {
    const { home } = this;
    const here = { ...attachment.to, id: attachment.id };
    // Raised as soon as it is said, for who can tell whether a manager that does not answer has taken note.
    if (!isHome(home, here)) this.epoch++;
    this.home = here;
    this.present(attachment, home, done);
  }

  /** `home`: where the epoch was last used before this; undefined: this is for sure the same one, or the first. */
  private present(attachment: Attachment, home: Home | undefined, done: (outcome: Outcome) => void): void {
    const { to, local } = attachment;
    // One message holds no more; the rest are asked for by their VIPs.
    const leases = this.ports.leases().slice(0, MOST.leases);
    attachment.register(
      {
        type: 'register',
        ...this.options,
        versions: [VERSION.oldest, VERSION.newest],
        addresses: this.ports.addresses(to, local).slice(0, MOST.addresses),
        epoch: this.epoch,
        leases,
        certificates: this.issuers.of(leases, attachment.id),
      },
      reply => {
        if (reply.type === 'registered') {
          const here = { ...to, id: attachment.id };
          this.home = here;
          // On plain TCP only its answer says that it is not the manager that was at this address before.
          if (home !== undefined && sameManager(home, to) && !isHome(home, here)) {
            this.epoch++;
            this.present(attachment, undefined, done);
            return;
          }
          this.step = 1;
          if (attachment.certificate !== undefined) this.issuers.learn(attachment.certificate);
          done({ type: 'registered' });
        } else if (reply.type !== 'refused') {
          done({ type: 'failed', code: undefined, reason: `'${reply.type}' is no answer to 'register'` });
        } else {
          const { code, sentence } = reply;
          this.ports.onRefused({ what: 'register', code, sentence });
          const next = code === 'epoch-stale' ? above(this.epoch, this.step, sentence) : undefined;
          if (next === undefined) {
            done({ type: 'failed', code, reason: `refused: ${sentence || code}` });
            return;
          }
          this.step *= 2;
          this.epoch = next;
          this.present(attachment, undefined, done);
        }
      },
    );
  }
}
