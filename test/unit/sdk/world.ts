/**
 * A virtual network with a client, and managers that a test scripts: of registration and of anycast ARP.
 */
import type { Stream } from '../../../appliance/host/ports.ts';
import type { Environment, ServiceRecord } from '../../../sdk/transport/environment.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import { decodeAnycast, encodeAnycast } from '../../../sdk/wire/anycast.ts';
import type { AnycastMessage, ManagerMessage, ServerMessage } from '../../../sdk/wire/messages.ts';
import type { AnsweredServer, Lease, ManagerId } from '../../../sdk/wire/model.ts';
import { encodeRegistration } from '../../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../../sdk/wire/stream.ts';
import { VirtualClock } from '../../support/virtual/clock.ts';
import { type VirtualHost, VirtualNetwork } from '../../support/virtual/network.ts';
import { seededRandom } from '../../support/virtual/random.ts';

export const MANAGER_ID = 'ab'.repeat(32) as ManagerId;
export const VIP = address('10.99.0.1');

export class World {
  readonly clock = new VirtualClock();
  readonly random = seededRandom(7);
  readonly network = new VirtualNetwork({ clock: this.clock, random: this.random });
  readonly client = this.network.host('client', '10.0.0.9');
  readonly manager = this.network.host('manager', '10.0.0.1');
  gateways: Address[] = [address('10.0.0.1')];
  readonly names = new Map<string, Address[]>();
  readonly services = new Map<string, ServiceRecord[]>();

  environment(host: VirtualHost = this.client): Environment {
    return {
      clock: this.clock,
      random: this.random,
      net: host.net,
      links: () => Promise.reject(new Error('no links here')),
      resolve: name => Promise.resolve(this.names.get(name) ?? []),
      services: name => Promise.resolve(this.services.get(name) ?? []),
      gateways: () => this.gateways,
      addresses: () => host.addresses,
    };
  }
}

type Query = Extract<AnycastMessage, { type: 'query' }>;

/** Answers each datagram with what `respond` gives: messages, or bytes as they are. */
export async function anycastManager(
  host: VirtualHost,
  respond: (query: Query, index: number) => readonly (AnycastMessage | Uint8Array)[],
): Promise<Query[]> {
  const queries: Query[] = [];
  const socket = await host.net.datagram(
    { address: address('0.0.0.0'), port: 9747 },
    (bytes, from, port) => {
      const message = decodeAnycast(bytes);
      if (message.type !== 'query') return;
      queries.push(message);
      for (const reply of respond(message, queries.length - 1))
        socket.send(reply instanceof Uint8Array ? reply : encodeAnycast(reply), port, from);
    },
    () => {},
  );
  return queries;
}

export const server = (text: string, score: number, port = 1720): AnsweredServer => ({
  address: address(text),
  score,
  services: [
    {
      name: 'mcu.example.org',
      protocol: 'h323',
      transport: 'tcp',
      ports: [{ first: port, last: port }],
      score,
    },
  ],
});

export const answerTo = (
  query: { readonly nonce: Uint8Array },
  servers: readonly AnsweredServer[],
  more: Partial<Extract<AnycastMessage, { type: 'answer' }>> = {},
): Extract<AnycastMessage, { type: 'answer' }> => ({
  type: 'answer',
  nonce: query.nonce,
  manager: MANAGER_ID,
  part: 1,
  parts: 1,
  validity: 1000,
  servers,
  ...more,
});

export const leaseOf = (
  vip: Address,
  message: { readonly server: Lease['server'] },
  more: Partial<Lease> = {},
): Lease => ({
  vip,
  server: message.server,
  issuer: MANAGER_ID,
  epoch: 1,
  duration: 60,
  shared: false,
  signature: new Uint8Array(0),
  ...more,
});

/** A registration manager that grants everything, unless `override` answers first. */
export class ScriptedManager {
  readonly heard: ServerMessage[] = [];
  readonly times: number[] = [];
  connections = 0;
  heartbeat = 100;
  leaseDuration = 60;
  id = MANAGER_ID;
  /** Gives the answers to a message, or undefined for the usual ones. */
  override: (message: ServerMessage) => readonly ManagerMessage[] | undefined = () => undefined;
  private stream: Stream | undefined;
  private beating = true;
  private readonly host: VirtualHost;
  private server: Lease['server'] = '' as Lease['server'];

  constructor(host: VirtualHost) {
    this.host = host;
  }

  async listen(): Promise<void> {
    await this.host.net.listen(
      { address: address('0.0.0.0'), port: 9746 },
      stream => {
        this.stream = stream;
        this.connections++;
        const parser = new RegistrationParser();
        this.beat(stream);
        return {
          onData: bytes => {
            for (const message of parser.push(bytes)) this.hear(message as ServerMessage);
          },
          onClose: () => {
            if (this.stream === stream) this.stream = undefined;
          },
        };
      },
      () => {},
    );
  }

  get connected(): boolean {
    return this.stream !== undefined;
  }

  /** Messages heard of one type. */
  of<T extends ServerMessage['type']>(type: T): Extract<ServerMessage, { type: T }>[] {
    return this.heard.filter(message => message.type === type) as Extract<ServerMessage, { type: T }>[];
  }

  say(...messages: readonly ManagerMessage[]): void {
    for (const message of messages) this.stream?.write(encodeRegistration(message));
  }

  sayBytes(bytes: Uint8Array): void {
    this.stream?.write(bytes);
  }

  drop(): void {
    this.stream?.destroy();
    this.stream = undefined;
  }

  /** Stays connected and says nothing more. */
  fallSilent(silent = true): void {
    this.beating = !silent;
  }

  private beat(stream: Stream): void {
    this.host.network.clock.after('manager-beat', this.heartbeat, () => {
      if (this.stream !== stream) return;
      if (this.beating) this.say({ type: 'heartbeat', sequence: 0 });
      this.beat(stream);
    });
  }

  private hear(message: ServerMessage): void {
    this.heard.push(message);
    this.times.push(this.host.network.clock.now());
    this.say(...(this.override(message) ?? this.usual(message)));
  }

  private usual(message: ServerMessage): readonly ManagerMessage[] {
    switch (message.type) {
      case 'register':
        this.server = message.server;
        return [
          {
            type: 'registered',
            transaction: message.transaction,
            version: 1,
            manager: this.id,
            name: 'cell',
            heartbeat: this.heartbeat,
            software: 'scripted',
          },
        ];
      case 'lease-request':
      case 'lease-renew': {
        const { vip = VIP, transaction } = message;
        const lease = leaseOf(
          vip,
          { server: this.server },
          { duration: this.leaseDuration, issuer: this.id },
        );
        return [{ type: 'lease', transaction, lease }];
      }
      case 'register-service':
        return [
          { type: 'done', transaction: message.transaction },
          {
            type: 'service-state',
            service: message.service.id,
            state: 'up',
            score: 1000,
            reason: 'check passed',
          },
        ];
      case 'report':
      case 'pace':
      case 'heartbeat':
        return [];
      default:
        return [{ type: 'done', transaction: message.transaction }];
    }
  }
}
