/**
 * The floor beneath the thousand routes: a Node program that reads the same reports from the same connections, and for them does what no
 * manager can leave out: the farms in one nft transaction, then the routes in one send (out: the routes first). The bytes of both are
 * ready before the first report comes; nothing is judged, kept or logged: `node bench-route-floor.mjs JSON`.
 */
import { createServer, type Socket } from 'node:net';
import { encode } from '../../appliance/dataplane/batch.ts';
import { renderLayout } from '../../appliance/dataplane/layout.ts';
import { planFarm, type Reached, type Step } from '../../appliance/dataplane/plan.ts';
import type { Farm, FarmKey } from '../../appliance/desired/wanted.ts';
import { createExec } from '../../appliance/host/exec.ts';
import { openNft } from '../../appliance/host/libnftables.ts';
import { NETLINK_NETFILTER, NETLINK_ROUTE, openNetlink } from '../../appliance/host/netlink.ts';
import { farmKey } from '../../appliance/registry/carried.ts';
import { Table } from '../../appliance/registry/table.ts';
import { encodeSteps } from '../../appliance/routing/route-batch.ts';
import type { Address } from '../../sdk/wire/address.ts';
import type { ManagerMessage, ServerMessage } from '../../sdk/wire/messages.ts';
import type { ManagerId, ServerId, Service } from '../../sdk/wire/model.ts';
import { encodeRegistration } from '../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../sdk/wire/stream.ts';

export interface RouteFloorOptions {
  readonly port: number;
  /** Services that register, each with a VIP of its own; only all of them together are put in and taken out. */
  readonly services: number;
  /** UDP port of anycast ARP, which the layout of nft names. */
  readonly anycastPort: number;
}

/** A server's connection, with what its next reports are answered with. */
interface Server {
  readonly socket: Socket;
  id: ServerId;
  readonly services: Service[];
  readonly answers: { up: Uint8Array; down: Uint8Array };
}

const { port, services: expected, anycastPort } = JSON.parse(process.argv[2] ?? '{}') as RouteFloorOptions;
const manager = 'a'.repeat(64) as ManagerId;
const { nft } = openNft(createExec());
const [filter, routes] = [openNetlink(NETLINK_NETFILTER), openNetlink(NETLINK_ROUTE)];
const servers: Server[] = [];
type Changes = Readonly<Record<'farms' | 'routes', { readonly bytes: Uint8Array; readonly last: number }>>;
let ready: Readonly<Record<'up' | 'down', Changes>> | undefined;
const seen = { up: 0, down: 0 };

const bytesOf = (...messages: ManagerMessage[]): Uint8Array =>
  Buffer.concat(messages.map(message => encodeRegistration(message)));

/** What puts all of them in, and takes them out again. */
function prepare(): void {
  let reached: Reached = { farms: Table.empty(), ids: Table.empty(), directs: Table.empty() };
  const put: Step[] = [];
  const take: Step[] = [];
  const farms = servers.flatMap(server => server.services.map(service => farmOf(service, server)));
  const step = (key: FarmKey, farm: Farm | undefined, into: Step[]): void => {
    const plan = planFarm(key, farm, reached);
    ({ reached } = plan);
    into.push(...plan.steps);
  };
  for (const farm of farms) step(farm.key, farm, put);
  for (const { key } of farms) step(key, undefined, take);
  const routesOf = (type: 'add' | 'remove'): Changes['routes'] =>
    encodeSteps(
      'external',
      farms.map(({ vip }) => ({ type, vip, step: 0 })),
    )!;
  ready = {
    up: { farms: encode(put)!, routes: routesOf('add') },
    down: { farms: encode(take)!, routes: routesOf('remove') },
  };
  for (const { services, answers } of servers)
    for (const state of ['up', 'down'] as const)
      answers[state] = bytesOf(
        ...services.map(({ id }): ManagerMessage => {
          return {
            type: 'service-state',
            service: id,
            state,
            score: 1000,
            reason: 'its server vouches for it',
          };
        }),
      );
}

function farmOf({ vip, ports, transport, forward, targetPort, weight }: Service, server: Server): Farm {
  const address = server.socket.remoteAddress as Address;
  return {
    ...{ key: farmKey(vip, transport, ports[0]!) as FarmKey, vip, transport, ports: ports[0]! },
    ...{ mode: 'nat', scheduler: forward.scheduler, affinity: forward.affinity },
    members: [{ server: server.id, address, port: targetPort, weight, accepts: true }],
  };
}

async function turn(state: 'up' | 'down'): Promise<void> {
  const { farms, routes: vips } = ready![state];
  const toKernel = [
    () => filter.batch(farms.bytes, farms.last),
    () => routes.batch(vips.bytes, vips.last),
  ] as const;
  for (const send of state === 'up' ? toKernel : [...toKernel].reverse()) {
    const problem = await send();
    if (problem !== '') throw new Error(problem);
  }
  for (const { socket, answers } of servers) socket.write(answers[state]);
}

function take(server: Server, message: ServerMessage): void {
  const { socket } = server;
  switch (message.type) {
    case 'register':
      server.id = message.server!;
      socket.write(
        bytesOf({
          ...{ type: 'registered', transaction: message.transaction, version: 1, manager },
          ...{ name: 'floor', heartbeat: 60_000, software: 'floor' },
        }),
      );
      return;
    case 'lease-request':
      socket.write(
        bytesOf({
          ...{ type: 'lease', transaction: message.transaction },
          lease: {
            ...{ vip: message.vip!, server: server.id, issuer: manager, epoch: 1, duration: 3600 },
            ...{ shared: message.shared, signature: new Uint8Array(64) },
          },
        }),
      );
      return;
    case 'register-service':
      server.services.push(message.service);
      socket.write(bytesOf({ type: 'done', transaction: message.transaction }));
      if (servers.reduce((sum, { services }) => sum + services.length, 0) !== expected) return;
      prepare();
      process.stderr.write('complete\n');
      return;
    case 'report':
      for (const { state } of message.reports) {
        if (state !== 'up' && state !== 'down') continue;
        seen[state]++;
        if (seen[state] !== expected) continue;
        seen[state] = 0;
        void turn(state);
      }
  }
}

const layout = await nft.run(renderLayout(anycastPort));
if (!layout.ok) throw new Error(layout.error);
createServer({ noDelay: true }, socket => {
  const server: Server = {
    socket,
    id: '' as ServerId,
    services: [],
    answers: { up: new Uint8Array(0), down: new Uint8Array(0) },
  };
  servers.push(server);
  const parser = new RegistrationParser();
  socket.on('data', bytes => {
    for (const message of parser.push(bytes)) take(server, message as ServerMessage);
  });
  socket.on('error', () => socket.destroy());
}).listen(port, '0.0.0.0', () => {
  process.stderr.write('ready\n');
});
