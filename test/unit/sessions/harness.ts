/**
 * Sessions on a fake network in virtual time, and servers that speak raw messages to them.
 */
import type { Stream, TlsIdentity } from '../../../appliance/host/ports.ts';
import type { Event } from '../../../appliance/registry/events.ts';
import type { SessionId } from '../../../appliance/registry/state.ts';
import { SESSION_LIMITS, type SessionLimits } from '../../../appliance/sessions/limits.ts';
import { createSessions, type Sessions } from '../../../appliance/sessions/sessions.ts';
import { address } from '../../../sdk/wire/address.ts';
import {
  type ManagerMessage,
  type RegistrationMessage,
  type ServerMessage,
  WELL_KNOWN,
} from '../../../sdk/wire/messages.ts';
import type { ManagerId, ServerId } from '../../../sdk/wire/model.ts';
import { encodeRegistration } from '../../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../../sdk/wire/stream.ts';
import { type VirtualHost, type VirtualWorld, virtualWorld } from '../../support/virtual.ts';

const PORT = 9746;
export const SERVER_ID = '5e'.repeat(32) as ServerId;

export const REGISTER: ServerMessage = {
  type: 'register',
  transaction: 1,
  versions: [1, 1],
  server: SERVER_ID,
  name: 'mcu1',
  addresses: [address('10.0.0.2')],
  epoch: 1,
  heartbeat: 0,
  leases: [],
  certificates: [],
  software: 'test',
};

export const registered = (heartbeat: number, transaction = 1): ManagerMessage => ({
  type: 'registered',
  transaction,
  version: 1,
  manager: 'aa'.repeat(32) as ManagerId,
  name: 'm1',
  heartbeat,
  software: 'test',
});

export const identity = (certificate: string): TlsIdentity => ({ ca: 'CA', certificate, key: 'KEY' });

export interface Bench {
  readonly world: VirtualWorld;
  readonly manager: VirtualHost;
  readonly sessions: Sessions;
  readonly events: Event[];
}

/** `reply` plays the registry: what it gives is sent back at once. By default it accepts with a heartbeat of 100 ms. */
export async function bench(
  options: {
    readonly limits?: Partial<SessionLimits>;
    readonly tls?: TlsIdentity;
    readonly reply?: (
      message: ServerMessage,
      session: SessionId,
      sessions: Sessions,
    ) => ManagerMessage | undefined;
  } = {},
): Promise<Bench> {
  const world = virtualWorld();
  const manager = world.network.host('manager', '10.0.0.1');
  const events: Event[] = [];
  const reply = options.reply ?? accept;
  const sessions: Sessions = createSessions({
    clock: world.clock,
    net: manager.net,
    log: world.log,
    identify: key =>
      Array.from(key, byte => byte.toString(16).padStart(2, '0'))
        .join('')
        .slice(0, 64) as ServerId,
    config: {
      listen: [{ address: address('10.0.0.1'), port: PORT }],
      tls: options.tls,
      plain: options.tls === undefined,
      limits: { ...SESSION_LIMITS, ...options.limits },
    },
    emit: event => {
      events.push(event);
      if (event.type !== 'message') return;
      const answer = reply(event.message, event.session, sessions);
      if (answer !== undefined) sessions.send(event.session, answer);
    },
  });
  await sessions.listen();
  return { world, manager, sessions, events };
}

const accept = (message: ServerMessage): ManagerMessage | undefined => {
  if (message.type === 'register') return registered(100, message.transaction);
  return 'transaction' in message ? { type: 'done', transaction: message.transaction } : undefined;
};

/** A server that says what it is told to, and keeps what it hears. */
export class RawServer {
  readonly heard: RegistrationMessage[] = [];
  closed: string | undefined;
  readonly stream: Stream;
  readonly world: VirtualWorld;
  readonly host: VirtualHost;
  private beating = false;

  constructor(world: VirtualWorld, host: VirtualHost, tls?: TlsIdentity) {
    this.world = world;
    this.host = host;
    const parser = new RegistrationParser();
    this.stream = host.net.connect(
      {
        address: address('10.0.0.1'),
        port: PORT,
        ...(tls && { tls: { identity: tls, verify: true, alpn: [WELL_KNOWN.alpn] } }),
      },
      {
        onData: bytes => void this.heard.push(...parser.push(bytes)),
        onClose: error => {
          this.closed = error ?? 'closed';
        },
      },
    );
  }

  say(...messages: RegistrationMessage[]): void {
    for (const message of messages) this.stream.write(encodeRegistration(message));
  }

  /** Sends heartbeats from now on. */
  beat(interval = 100): void {
    this.beating = true;
    const next = (): void => {
      if (!this.beating || this.closed !== undefined) return;
      this.say({ type: 'heartbeat', sequence: 1 });
      this.world.clock.after('beat', interval, next);
    };
    next();
  }

  fallSilent(): void {
    this.beating = false;
  }

  get refusals(): readonly string[] {
    return this.heard.flatMap(message => (message.type === 'refused' ? [message.code] : []));
  }

  of<T extends RegistrationMessage['type']>(type: T): Extract<RegistrationMessage, { type: T }>[] {
    return this.heard.filter(
      (message): message is Extract<RegistrationMessage, { type: T }> => message.type === type,
    );
  }
}

/** A server on a host of its own, connected. */
export function server({ world }: Bench, last = 2, tls?: TlsIdentity): RawServer {
  const text = `10.0.${last >> 8}.${last & 255}`;
  const host = world.network.hosts.get(address(text)) ?? world.network.host(`server${last}`, text);
  return new RawServer(world, host, tls);
}

/** The reasons of the sessions that ended, in order. */
export const endings = ({ events }: Bench): string[] =>
  events.flatMap(event => (event.type === 'session-ended' ? [event.reason.code] : []));

/** The types of messages that the registry was given. */
export const passed = ({ events }: Bench): string[] =>
  events.flatMap(event => (event.type === 'message' ? [event.message.type] : []));
