/**
 * A fleet of servers in one process, by the registration protocol itself: `node bench-fleet.mjs JSON`. It registers them all, says how
 * long that took, then makes as many single changes as it is told to and says how long each took to take effect.
 */
import { connect, type Socket } from 'node:net';
import type { Address } from '../../sdk/wire/address.ts';
import type { ManagerMessage, ServerMessage } from '../../sdk/wire/messages.ts';
import type { ServerId, Service } from '../../sdk/wire/model.ts';
import { encodeRegistration } from '../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../sdk/wire/stream.ts';

export interface FleetOptions {
  readonly port: number;
  readonly servers: number;
  /** Services of each server. */
  readonly services: number;
  /** Names that the servers share, each a VIP. */
  readonly names: number;
  /** Servers that register at once. */
  readonly window: number;
  readonly changes: number;
}

export interface FleetResult {
  readonly registerMs: number;
  readonly changeMs: readonly number[];
}

const NOTHING = new Uint8Array(0);

class FleetServer {
  private readonly socket: Socket;
  private readonly parser = new RegistrationParser();
  private transaction = 0;
  private waiting: ((message: ManagerMessage) => boolean) | undefined;
  vip: Address | undefined;
  readonly number: number;

  constructor(number: number, port: number) {
    this.number = number;
    this.socket = connect({
      port,
      host: '127.0.0.1',
      localAddress: `127.1.${number >> 8}.${number & 255}`,
      noDelay: true,
    });
    this.socket.on('data', bytes => {
      for (const message of this.parser.push(bytes)) {
        const parsed = message as ManagerMessage;
        if (parsed.type === 'refused') throw new Error(`server ${number} was refused: ${parsed.sentence}`);
        if (this.waiting?.(parsed)) this.waiting = undefined;
      }
    });
    this.socket.on('error', error => {
      throw error;
    });
  }

  /** Sends a message and resolves with the first one back that `wanted` takes. */
  ask(
    message: Record<string, unknown>,
    wanted: (message: ManagerMessage) => boolean,
  ): Promise<ManagerMessage> {
    return new Promise(resolve => {
      this.waiting = answer => {
        if (!wanted(answer)) return false;
        resolve(answer);
        return true;
      };
      this.send(message);
    });
  }

  send(message: Record<string, unknown>): void {
    this.socket.write(encodeRegistration({ transaction: ++this.transaction, ...message } as ServerMessage));
  }

  async register({ names, services }: FleetOptions): Promise<void> {
    const name = `svc-${this.number % names}.mission`;
    const id = this.number.toString(16).padStart(64, '0') as ServerId;
    await this.ask(
      {
        type: 'register',
        versions: [1, 1],
        server: id,
        name: `server-${this.number}`,
        addresses: [`127.1.${this.number >> 8}.${this.number & 255}`],
        epoch: 1,
        heartbeat: 60_000,
        leases: [],
        software: 'fleet',
      },
      answer => answer.type === 'registered',
    );
    const granted = await this.ask(
      { type: 'lease-request', family: 4, shared: true, service: name },
      answer => answer.type === 'lease',
    );
    this.vip = granted.type === 'lease' ? granted.lease.vip : undefined;
    let up = 0;
    const all = new Promise<void>(resolve => {
      this.waiting = message => {
        if (message.type === 'service-state' && message.state === 'up') up++;
        if (up < services) return false;
        resolve();
        return true;
      };
    });
    for (let number = 1; number <= services; number++) {
      this.send({ type: 'register-service', service: serviceOf(number, name, this.vip!) });
    }
    await all;
  }

  /** Adds a service and takes it away again; gives the ms until it was in the kernel and the manager had said so. */
  async change(number: number): Promise<number> {
    const started = performance.now();
    await this.ask(
      { type: 'register-service', service: serviceOf(number, `svc-${this.number}.extra`, this.vip!) },
      answer => answer.type === 'service-state' && answer.state === 'up' && answer.service === number,
    );
    const took = performance.now() - started;
    await this.ask(
      { type: 'withdraw-service', service: number },
      answer => answer.type === 'service-state' && answer.state === 'down',
    );
    return took;
  }
}

const serviceOf = (number: number, name: string, vip: Address): Service => ({
  id: number,
  name,
  vip,
  transport: 'tcp',
  ports: [{ first: 8000 + number, last: 8000 + number }],
  targetPort: 0,
  protocol: 'http',
  weight: 100,
  capacity: 0,
  check: {
    kind: 'none',
    port: 0,
    interval: 1000,
    timeout: 500,
    rise: 1,
    fall: 1,
    target: '',
    expectText: '',
    expectStatus: [0, 0],
    send: NOTHING,
    expect: NOTHING,
  },
  forward: { mode: 'nat', scheduler: 'wrr', affinity: 0 },
});

const options = JSON.parse(process.argv[2] ?? '{}') as FleetOptions;
const fleet: FleetServer[] = [];
const started = performance.now();
let next = 0;
await Promise.all(
  Array.from({ length: options.window }, async () => {
    while (next < options.servers) {
      const server = new FleetServer(next++, options.port);
      fleet.push(server);
      await server.register(options);
    }
  }),
);
const registerMs = performance.now() - started;
const changeMs: number[] = [];
for (let change = 0; change < options.changes; change++) {
  changeMs.push(await fleet[(change * 997) % fleet.length]!.change(1000 + change));
}
// The connections stay until somebody ends this process.
process.stdout.write(`${JSON.stringify({ registerMs, changeMs } satisfies FleetResult)}\n`);
