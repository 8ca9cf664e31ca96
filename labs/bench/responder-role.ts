/**
 * The processes of the responder's benchmark, each in a namespace of its own: `node bench-responder.mjs ROLE JSON`. A server writes
 * `ready` once it answers; a generator writes its result as JSON and ends.
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import type { DirectoryServer } from '../../appliance/desired/wanted.ts';
import { createClock } from '../../appliance/host/clock.ts';
import { linuxLinks } from '../../appliance/host/links.ts';
import { createNet } from '../../appliance/host/net.ts';
import { createRandom } from '../../appliance/host/random.ts';
import { Table } from '../../appliance/registry/table.ts';
import { createResponder } from '../../appliance/responder/responder.ts';
import { type Address, address, parseMac } from '../../sdk/wire/address.ts';
import type { Query } from '../../sdk/wire/answer.ts';
import { encodeAnycast } from '../../sdk/wire/anycast.ts';
import { anycastQueryFrame, BROADCAST, encodeArp, NO_MAC } from '../../sdk/wire/arp.ts';
import type { ManagerId, ServerId } from '../../sdk/wire/model.ts';
import { arpSocket, roundTrips, throughput, udpSocket } from './packets.ts';

export interface RoleOptions {
  /** Interface. */
  readonly link: string;
  readonly own: Address;
  /** Of the other end. */
  readonly peer: Address;
  readonly vip: Address;
  readonly port: number;
  readonly ring: number;
  readonly window: number;
  readonly duration: number;
  readonly count: number;
}

const MANAGER = 'ab'.repeat(32) as ManagerId;

/** Nothing must be cut off by it here: the generator is one source. The buckets are there all the same. */
const RATE = 10_000_000;

const roles: Record<string, (options: RoleOptions) => Promise<unknown>> = {
  async responder({ link, vip, port, ring }) {
    const responder = await createResponder({
      clock: createClock(),
      random: createRandom(),
      net: createNet(),
      links: await linuxLinks(),
      signer: undefined,
      log: () => {},
      config: {
        manager: MANAGER,
        name: 'bench',
        access: [link],
        port,
        validity: 5000,
        rate: RATE,
        ring,
        registration: { address: undefined, port: 9746, tls: false },
      },
    });
    const servers = [1, 2, 3].map(
      (index): DirectoryServer => ({
        server: `${index}`.repeat(64) as ServerId,
        address: address(`10.1.0.${10 + index}`),
        services: [
          {
            name: 'mcu.cell',
            protocol: 'h323',
            transport: 'tcp',
            ports: [{ first: 1720, last: 1720 }],
            score: 900 - index,
          },
        ],
      }),
    );
    responder.setDirectory({
      byVip: Table.from([[vip, servers]]),
      byName: Table.from([['mcu.cell', [vip]]]),
    });
    return 'ready';
  },

  /** The least that a responder with cap can do: turns the frame round and sends as many bytes as our answer has. */
  async 'bare-cap'({ link, ring }) {
    const { default: cap } = await import('cap');
    const capture = new cap.Cap();
    const buffer = new Uint8Array(2048);
    capture.open(link, 'arp[6:2] = 24', ring, buffer);
    const { mac } = (await linuxLinks()).list().find(({ name }) => name === link)!;
    const own = Uint8Array.from(mac.split(':'), part => Number.parseInt(part, 16));
    const answer = new Uint8Array(300);
    capture.on('packet', length => {
      answer.set(buffer.subarray(0, length));
      answer.set(buffer.subarray(6, 12), 0);
      answer.set(own, 6);
      answer[21] = 25;
      capture.send(answer);
    });
    return 'ready';
  },

  async 'bare-udp'({ port }) {
    const socket = createSocket('udp4');
    socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
    await new Promise<void>(resolve => socket.bind(port, () => resolve()));
    return 'ready';
  },

  async 'link-throughput'(options) {
    return throughput(arpSocket(indexOf(options.link), 25), await queryFrame(options), options);
  },

  async 'udp-throughput'(options) {
    const { peer, port } = options;
    return throughput(udpSocket(peer, port), paddedQuery(options), options);
  },

  async 'link-round-trip'(options) {
    return roundTrips(arpSocket(indexOf(options.link), 25), await queryFrame(options), options.count);
  },

  async 'arp-round-trip'(options) {
    return roundTrips(arpSocket(indexOf(options.link), 2), await arpRequest(options), options.count);
  },

  async 'link-client'(options) {
    return clientRoundTrips(options, await queryFrame(options), 25);
  },

  async 'arp-client'(options) {
    return clientRoundTrips(options, await arpRequest(options), 2);
  },
};

async function arpRequest({ link, own, peer }: RoleOptions): Promise<Uint8Array> {
  const mac = await macOf(link);
  return encodeArp({
    destination: BROADCAST,
    source: mac,
    operation: 'request',
    senderMac: mac,
    senderAddress: own,
    targetMac: NO_MAC,
    targetAddress: peer,
  });
}

/** Round trips in microseconds as an application on Node sees them: it sends by cap, sleeps, and is woken by the answer. */
async function clientRoundTrips(
  { link, count, ring }: RoleOptions,
  frame: Uint8Array,
  opcode: number,
): Promise<number[]> {
  const times: number[] = [];
  let woken = (): void => {};
  const socket = (await linuxLinks()).open(link, `arp[6:2] = ${opcode}`, ring, () => woken());
  for (let turn = 0; turn < count; turn++) {
    const start = performance.now();
    await new Promise<void>(resolve => {
      woken = resolve;
      const timer = setTimeout(resolve, 200);
      timer.unref();
      socket.send(frame);
    });
    times.push((performance.now() - start) * 1000);
    await new Promise(resolve => setTimeout(resolve, 1));
  }
  socket.close();
  return times;
}

const indexOf = (link: string): number => Number(readFileSync(`/sys/class/net/${link}/ifindex`, 'utf8'));

const macOf = async (link: string) => {
  const mac = parseMac(readFileSync(`/sys/class/net/${link}/address`, 'utf8').trim());
  if (mac === undefined) throw new Error(`no MAC on ${link}`);
  return mac;
};

const query = (vip: Address, padding: number): Query => ({
  type: 'query',
  nonce: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  vip,
  selector: { protocol: 'h323', transport: 'tcp' },
  want: 0,
  signed: false,
  padding,
});

const queryFrame = async ({ link, own, vip }: RoleOptions): Promise<Uint8Array> =>
  anycastQueryFrame(await macOf(link), own, vip, encodeAnycast(query(vip, 0)));

/** Long enough to be answered without a cookie. */
const paddedQuery = ({ vip }: RoleOptions): Uint8Array => encodeAnycast(query(vip, 300));

const [, , role = '', text = '{}'] = process.argv;
const run = roles[role];
if (run === undefined) throw new Error(`no role '${role}': one of ${Object.keys(roles).join(', ')}`);
process.stdout.write(`${JSON.stringify(await run(JSON.parse(text) as RoleOptions))}\n`);
