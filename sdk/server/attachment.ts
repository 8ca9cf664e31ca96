/**
 * A connection to one manager, from the first SYN to its end: opened, asked to register, kept alive. What is registered on it, and
 * which of several connections counts, is decided elsewhere.
 */
import type { Clock, Timer } from '../transport/environment.ts';
import type { Address } from '../wire/address.ts';
import type { ManagerMessage, ServerMessage } from '../wire/messages.ts';
import type { ManagerId, ServiceState } from '../wire/model.ts';
import type { Connection, ConnectionHandlers } from './connection.ts';
import type { ManagerAddress, StateEvent } from './events.ts';
import { managerOf } from './identity.ts';
import { Pulse } from './pulse.ts';
import { type Reply, Requests, type Unnumbered } from './requests.ts';

/** ms to connect (and for the TLS handshake), and for the manager's word after that. */
const CONNECT_TIMEOUT = 5000;
/** ms that a manager is waited for when this server leaves it. */
const LEAVE_TIMEOUT = 2000;
/** ms; whatever a manager says, no faster. */
const LEAST_HEARTBEAT = 10;

export interface AttachmentPorts {
  readonly clock: Clock;
  readonly connect: (to: ManagerAddress, handlers: ConnectionHandlers) => Connection;
  readonly asleep: () => number;
}

/** Who is told; may be another as time goes on. */
export interface AttachmentOwner {
  onOpen(): void;
  /** Neither an answer nor about the connection itself. */
  onMessage(message: ManagerMessage): void;
  /** The manager is silent (why), or is heard again after all (undefined). Without this, silence is the end. */
  onDoubt?(reason: string | undefined): void;
  /** Once, and not after leave() or close(). */
  onEnd(reason: string): void;
}

export class Attachment {
  readonly to: ManagerAddress;
  readonly requests: Requests;
  owner: AttachmentOwner;
  /** Who the manager is: by its certificate, or by its own word once it has registered this server. */
  id: ManagerId | undefined;
  name = '';
  /** When it registered this server, by the clock; undefined: it has not. */
  since: number | undefined;
  /** Services' states, as this manager has last said. */
  readonly states = new Map<number, ServiceState>();
  private readonly ports: AttachmentPorts;
  private readonly connection: Connection;
  private timer: Timer | undefined;
  private pulse: Pulse | undefined;
  private beats = 0;
  private over = false;

  constructor(to: ManagerAddress, ports: AttachmentPorts, owner: AttachmentOwner) {
    this.to = to;
    this.ports = ports;
    this.owner = owner;
    this.requests = new Requests(
      ports.clock,
      message => this.send(message),
      what => this.end(`the manager did not answer '${what}'`),
    );
    this.timer = ports.clock.after('connect-timeout', CONNECT_TIMEOUT, () =>
      this.end(`${to.address} port ${to.port} did not answer within ${CONNECT_TIMEOUT} ms`),
    );
    this.connection = ports.connect(to, {
      onOpen: () => this.open(),
      onMessage: message => this.hear(message),
      onClose: reason => this.end(reason),
    });
  }

  get alive(): boolean {
    return !this.over;
  }

  /** Who the manager is, so far as that is known. */
  get manager(): NonNullable<StateEvent['manager']> {
    const { to, id, name } = this;
    return { ...to, ...(id && { id }), name };
  }

  /** This end's address; undefined: not known. */
  get local(): Address | undefined {
    return this.connection.local;
  }

  /** The manager's certificate (DER); undefined: not known, or plain TCP. */
  get certificate(): Uint8Array | undefined {
    return this.connection.certificate;
  }

  /** `done` gets the answer to `register`; it is not called if the connection ends before. */
  register(request: Unnumbered & { readonly type: 'register' }, done: (reply: Reply) => void): void {
    this.requests.ask(request, reply => {
      this.timer?.cancel();
      if (reply.type === 'registered') {
        this.id = reply.manager;
        this.name = reply.name;
        this.since ??= this.ports.clock.now();
        this.keepAlive(reply.heartbeat);
      }
      done(reply);
    });
  }

  send(message: ServerMessage): void {
    if (this.over) return;
    this.connection.send(message);
    this.pulse?.sent();
  }

  /** Leaves the manager for another one that serves. */
  leave(): void {
    this.deregister({ type: 'deregister', elsewhere: true });
  }

  /** Leaves the manager for good: flows end. */
  quit(done?: () => void): void {
    this.deregister({ type: 'deregister' }, done);
  }

  /** Deregisters (leases stay this server's) and closes, within LEAVE_TIMEOUT whatever the manager does. */
  private deregister(
    request: Unnumbered & { readonly type: 'deregister' },
    done: () => void = () => {},
  ): void {
    if (this.over) {
      done();
      return;
    }
    const finish = (orderly: boolean): void => {
      this.close(orderly);
      done();
    };
    this.owner = { onOpen() {}, onMessage() {}, onEnd: () => finish(false) };
    this.timer?.cancel();
    this.timer = this.ports.clock.after('stop-timeout', LEAVE_TIMEOUT, () => finish(false));
    this.requests.ask(request, () => finish(true));
  }

  /** Ends it from this side; nobody is told. `orderly`: what was sent still goes out. */
  close(orderly: boolean): void {
    if (this.over) return;
    this.over = true;
    this.timer?.cancel();
    this.pulse?.stop();
    this.requests.drop();
    this.connection.close(orderly);
  }

  private open(): void {
    const { certificate } = this;
    this.id = certificate && managerOf(certificate);
    this.owner.onOpen();
  }

  private hear(message: ManagerMessage): void {
    if (this.over) return;
    this.pulse?.heard();
    if (message.type === 'heartbeat') return;
    if (message.type === 'pace') {
      this.pulse?.pace(Math.max(LEAST_HEARTBEAT, message.heartbeat));
      if (this.pulse !== undefined) this.send({ type: 'pace', heartbeat: message.heartbeat });
      return;
    }
    if (message.type === 'service-state') this.states.set(message.service, message.state);
    if (!('transaction' in message) || !this.requests.settle(message)) this.owner.onMessage(message);
  }

  private keepAlive(heartbeat: number): void {
    const { clock, asleep } = this.ports;
    const interval = Math.max(LEAST_HEARTBEAT, heartbeat);
    if (this.pulse !== undefined) {
      this.pulse.pace(interval);
      return;
    }
    this.pulse = new Pulse(
      clock,
      interval,
      {
        beat: () => this.connection.send({ type: 'heartbeat', sequence: this.beats++ >>> 0 }),
        doubt: reason => {
          if (this.owner.onDoubt !== undefined) this.owner.onDoubt(reason);
          else if (reason !== undefined) this.end(reason);
        },
        lost: reason => this.end(reason),
      },
      asleep,
    );
  }

  private end(reason: string): void {
    if (this.over) return;
    this.close(false);
    this.owner.onEnd(reason);
  }
}
