/**
 * The least that one thread of Node can do for the scale figures: `node bench-least.mjs PORT FILE`. It reads and answers the same messages,
 * gives each name a VIP, writes a line to disk for each service, and puts one element for each into the same nf_tables table, in
 * transactions of what came meanwhile. It decides nothing: no farm's choice of servers is made anew, nobody is permitted, checked, limited
 * or looked up. Between it and the manager lies what the manager's logic costs; between it and etcd, what one event loop costs beside a
 * server that runs on all cores.
 */
import { appendFile } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { encode } from '../../appliance/dataplane/batch.ts';
import { renderLayout } from '../../appliance/dataplane/layout.ts';
import { baseOf } from '../../appliance/dataplane/mark.ts';
import type { Step } from '../../appliance/dataplane/plan.ts';
import { createExec } from '../../appliance/host/exec.ts';
import { openNft } from '../../appliance/host/libnftables.ts';
import { NETLINK_NETFILTER, openNetlink } from '../../appliance/host/netlink.ts';
import type { Address } from '../../sdk/wire/address.ts';
import type { ManagerMessage, ServerMessage } from '../../sdk/wire/messages.ts';
import type { ManagerId, ServerId, Service } from '../../sdk/wire/model.ts';
import { encodeRegistration } from '../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../sdk/wire/stream.ts';

const [, , port, file = ''] = process.argv;
const ANYCAST_PORT = 9747;
const WRITE_EVERY = 100;
const manager = 'a'.repeat(64) as ManagerId;
const NOTHING = new Uint8Array(0);

/** A service that waits to be in the kernel. */
interface Waiting {
  readonly socket: Socket;
  readonly address: string;
  readonly service: Service;
}

const vips = new Map<string, Address>();
let waiting: Waiting[] = [];
let busy = false;
let members = 0;
let lines = '';

const { nft } = openNft(createExec());
const { ok, error } = await nft.run(renderLayout(ANYCAST_PORT));
if (!ok) throw new Error(error);
const netlink = openNetlink(NETLINK_NETFILTER);

function vipOf(name: string): Address {
  const known = vips.get(name);
  if (known !== undefined) return known;
  const vip = `10.128.${vips.size >> 8}.${vips.size & 255}` as Address;
  vips.set(name, vip);
  return vip;
}

function answer(message: ServerMessage, server: ServerId): ManagerMessage | undefined {
  if (!('transaction' in message)) return undefined;
  const { transaction } = message;
  if (message.type === 'register') {
    const about = { name: 'scale', heartbeat: 60_000, software: 'bivouac' };
    return { type: 'registered', transaction, version: 1, manager, ...about };
  }
  if (message.type !== 'lease-request') return { type: 'done', transaction };
  const terms = { server, issuer: manager, epoch: 1, duration: 3600, shared: true, signature: NOTHING };
  return { type: 'lease', transaction, lease: { vip: vipOf(message.service), ...terms } };
}

/** What has come goes into the kernel in one transaction, and its servers are told; then what came meanwhile. */
async function commit(): Promise<void> {
  busy = true;
  while (waiting.length > 0) {
    const now = waiting;
    waiting = [];
    const steps = now.map(({ address, service }): Step => {
      const mark = baseOf(1 + (members >> 8)) + (members++ & 255);
      return { do: 'add', element: `mapped4 ${mark}`, data: `${address} . ${service.ports[0]!.first}` };
    });
    const batch = encode(steps)!;
    const problem = await netlink.batch(batch.bytes, batch.last);
    if (problem !== '') throw new Error(problem);
    const told = new Map<Socket, Uint8Array[]>();
    for (const { socket, service } of now) {
      const reason = 'no check was asked: its server vouches for it';
      const up = { type: 'service-state', service: service.id, state: 'up', score: 1000, reason } as const;
      told.set(socket, [...(told.get(socket) ?? []), encodeRegistration(up)]);
    }
    for (const [socket, parts] of told) socket.write(Buffer.concat(parts));
  }
  busy = false;
}

setInterval(() => {
  const now = lines;
  lines = '';
  if (now !== '') appendFile(file, now, { flush: true }, () => {});
}, WRITE_EVERY);

createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 15_000 }, socket => {
  const parser = new RegistrationParser();
  const address = socket.remoteAddress!;
  let server = '' as ServerId;
  socket.on('data', bytes => {
    const answers: Uint8Array[] = [];
    for (const message of parser.push(bytes) as ServerMessage[]) {
      if (message.type === 'register') ({ server } = message);
      if (message.type === 'register-service') {
        lines += `${JSON.stringify({ server, ...message.service })}\n`;
        waiting.push({ socket, address, service: message.service });
      }
      const said = answer(message, server);
      if (said !== undefined) answers.push(encodeRegistration(said));
    }
    if (answers.length > 0) socket.write(Buffer.concat(answers));
    if (waiting.length > 0 && !busy) {
      busy = true;
      setImmediate(() => void commit());
    }
  });
  socket.on('error', () => socket.destroy());
}).listen({ host: '127.0.0.1', port: Number(port), backlog: 1024 }, () => {
  process.stderr.write('ready\n');
});
