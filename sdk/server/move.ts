/**
 * The time in which two managers serve: a server that moves is registered at the new one, and leaves the former once the new one
 * serves all that the former does (make before break).
 */
import type { Clock, Timer } from '../transport/environment.ts';
import type { ManagerMessage } from '../wire/messages.ts';
import type { Attachment } from './attachment.ts';

/** ms that the new manager has to bring everything up; then the former is left all the same, unless nothing at all came up. */
const LONGEST = 10_000;

type StateMessage = Extract<ManagerMessage, { type: 'service-state' }>;

export interface MovePorts {
  readonly clock: Clock;
  /** Whether the service should be served at all. */
  readonly serves: (service: number) => boolean;
  /** Whether the new one would serve at another VIP, and that is as good. */
  readonly isChangeable: () => boolean;
  /** The new one serves what the former does. */
  readonly onDone: () => void;
  /** The former is gone before that. */
  readonly onBroken: () => void;
  /** The time is over, and nothing that the former serves is served by the new one. */
  readonly onFruitless: (reason: string) => void;
}

export class Move {
  readonly from: Attachment;
  private readonly to: Attachment;
  private readonly ports: MovePorts;
  private readonly timer: Timer;
  private readonly held = new Map<number, StateMessage>();
  private over = false;

  constructor(from: Attachment, to: Attachment, ports: MovePorts) {
    this.from = from;
    this.to = to;
    this.ports = ports;
    this.timer = ports.clock.after('move', LONGEST, () => this.expire());
  }

  /** What the new one said of services that are still served by the former: nothing that an app need know before. */
  get withheld(): readonly StateMessage[] {
    return [...this.held.values()];
  }

  /** Takes note of what the new manager says; true: the app need not be told yet. */
  withholds(message: StateMessage): boolean {
    if (message.state === 'up' || this.from.states.get(message.service) !== 'up') {
      this.held.delete(message.service);
      return false;
    }
    this.held.set(message.service, message);
    return true;
  }

  /** Whether it is done; then it is over. */
  judge(): void {
    if (!this.over && this.lacking().length === 0) {
      this.end();
      this.ports.onDone();
    }
  }

  /** The former manager is gone. */
  broken(): void {
    if (this.over) return;
    this.end();
    this.ports.onBroken();
  }

  /** Stops watching, and gives the former manager. */
  end(): Attachment {
    this.over = true;
    this.timer.cancel();
    return this.from;
  }

  private served(): number[] {
    return [...this.from.states]
      .filter(([id, state]) => state === 'up' && this.ports.serves(id))
      .map(([id]) => id);
  }

  private lacking(): number[] {
    return this.served().filter(id => this.to.states.get(id) !== 'up');
  }

  private expire(): void {
    const served = this.served();
    const lacking = this.lacking();
    this.end();
    if (lacking.length < served.length || this.ports.isChangeable()) this.ports.onDone();
    else this.ports.onFruitless(`${this.to.to.address} brought nothing up within ${LONGEST / 1000} s`);
  }
}

/** Of the managers so far leaves all but the first that lives, and gives that one: it is left once the next serves. */
export function leaveForNext(
  former: readonly (Attachment | undefined)[],
  next: Attachment,
): Attachment | undefined {
  const live = former.filter(one => one?.alive);
  const [best] = live;
  for (const one of live) {
    // The same manager has put the new connection in the place of its old one.
    if (one?.id === next.id) one?.close(false);
    else if (one !== best) one?.leave();
  }
  return best?.alive ? best : undefined;
}
