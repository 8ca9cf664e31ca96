/**
 * One search for a manager: those that may be there are dialled best first, the next ones while the first have not answered
 * (RFC 8305's way), and the first that opens is taken.
 */
import type { Clock, Timer } from '../transport/environment.ts';
import type { Attachment, AttachmentOwner } from './attachment.ts';
import { type ManagerAddress, sameManager } from './events.ts';

/** ms that an attempt has to itself before the next one begins (RFC 8305 §5). */
const STAGGER = 250;
/** Managers that one search tries. */
const MOST = 16;

/** Tells of managers as they turn up, best first; resolves when there will be no more. */
export type Find = (found: (managers: readonly ManagerAddress[]) => void) => Promise<void>;

export interface QuestPorts {
  readonly clock: Clock;
  readonly attach: (to: ManagerAddress, owner: AttachmentOwner) => Attachment;
  readonly onTry: (to: ManagerAddress) => void;
  /** One has opened; the others are let go. It is the caller's now, who may resume() when it is of no use. */
  readonly onFound: (attachment: Attachment) => void;
  /** Nobody is left to try. */
  readonly onFailed: (reason: string) => void;
}

export class Quest {
  private readonly ports: QuestPorts;
  private readonly tried: ManagerAddress[] = [];
  private waiting: ManagerAddress[] = [];
  private readonly dialling = new Map<Attachment, ManagerAddress>();
  private finding = true;
  private found = false;
  private over = false;
  private reason = 'no manager was found';
  private timer: Timer | undefined;

  constructor(ports: QuestPorts) {
    this.ports = ports;
  }

  /** Begins, with these managers first. */
  start(first: readonly ManagerAddress[], find: Find): void {
    const done = (reason?: string): void => {
      this.finding = false;
      if (reason !== undefined) this.reason = `no manager was found: ${reason}`;
      this.judge();
    };
    this.offer(first);
    find(managers => this.offer(managers)).then(
      () => done(),
      (error: Error) => done(error.message),
    );
  }

  /** Managers that may be there: those not tried yet are, the first of them at once. */
  offer(managers: readonly ManagerAddress[]): void {
    const fresh = managers.filter(
      (one, index) =>
        managers.findIndex(other => sameManager(one, other)) === index &&
        ![...this.tried, ...this.waiting].some(other => sameManager(one, other)),
    );
    if (this.over || fresh.length === 0) return;
    this.waiting = [...fresh, ...this.waiting].slice(0, MOST);
    this.dial();
  }

  /** The one that was found is of no use: on with the others. */
  resume(reason: string): void {
    this.reason = reason;
    this.found = false;
    this.dial();
    this.judge();
  }

  close(): void {
    this.over = true;
    this.timer?.cancel();
    for (const attachment of this.dialling.keys()) attachment.close(false);
    this.dialling.clear();
  }

  private dial(): void {
    if (this.over || this.found) return;
    if (this.tried.length >= MOST) this.waiting = [];
    const to = this.waiting.shift();
    if (to === undefined) return;
    this.tried.push(to);
    this.timer?.cancel();
    this.timer = this.ports.clock.after('next-manager', STAGGER, () => this.dial());
    this.ports.onTry(to);
    const attachment = this.ports.attach(to, {
      onOpen: () => this.take(attachment),
      onMessage() {},
      onEnd: reason => {
        this.dialling.delete(attachment);
        this.reason = reason;
        this.dial();
        this.judge();
      },
    });
    if (attachment.alive) this.dialling.set(attachment, to);
  }

  private take(attachment: Attachment): void {
    if (this.over || this.found) return;
    this.found = true;
    this.timer?.cancel();
    this.dialling.delete(attachment);
    // Those that were slower are not tried out: their turn comes if this one is of no use.
    for (const [other, to] of this.dialling) {
      other.close(false);
      this.tried.splice(this.tried.indexOf(to), 1);
      this.waiting.unshift(to);
    }
    this.dialling.clear();
    this.ports.onFound(attachment);
  }

  private judge(): void {
    if (this.over || this.found || this.finding || this.dialling.size > 0 || this.waiting.length > 0) return;
    this.over = true;
    this.timer?.cancel();
    this.ports.onFailed(this.reason);
  }
}
