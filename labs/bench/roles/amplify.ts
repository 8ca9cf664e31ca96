/**
 * How much more a DNS server gives by UDP than it gets, from a source that has proved nothing: `node bench-amplify.mjs ADDRESS PORT ZONE`.
 * Asks for all there is in all sorts of ways, each from a port of its own, and says for each what came back.
 */
import { createSocket } from 'node:dgram';
import { nameOf, queryOf } from '../gslb/questions.ts';

/** Bytes of UDP, without headers. */
export interface Amplified {
  readonly kind: string;
  readonly in: number;
  readonly out: number;
  /** Datagrams that came back. */
  readonly datagrams: number;
}

const TYPES = { A: 1, NS: 2, SOA: 6, MX: 15, TXT: 16, AAAA: 28, SRV: 33, DNSKEY: 48, AXFR: 252, ANY: 255 };
const CHAOS = 3;
/** An answer that takes longer than this, ms, is none. */
const PATIENCE = 500;

/** An OPT record (RFC 6891 §6.1.2) for payloads of so many bytes. */
function opt(size: number, { version = 0, dnssec = false, options = Buffer.alloc(0) } = {}): Buffer {
  const fixed = Buffer.alloc(11);
  fixed.writeUInt16BE(41, 1);
  fixed.writeUInt16BE(size, 3);
  fixed[6] = version;
  fixed[7] = dnssec ? 0x80 : 0;
  fixed.writeUInt16BE(options.length, 9);
  return Buffer.concat([fixed, options]);
}

/** NSID, a client's cookie that no server has seen, and a client's subnet. */
const EVERYTHING = Buffer.concat([
  Buffer.from('00030000', 'hex'),
  Buffer.from('000a00080102030405060708', 'hex'),
  Buffer.from('0008000700011800cb0071', 'hex'),
]);
/** A cookie with a server's part that is made up. */
const FORGED = Buffer.from(`000a0010${'0102030405060708'}${'1112131415161718'}`, 'hex');

const ENDINGS: Readonly<Record<string, Buffer>> = {
  'no OPT': Buffer.alloc(0),
  'OPT 512': opt(512),
  'OPT 1232': opt(1232),
  'OPT 4096, DO': opt(4096, { dnssec: true }),
  'OPT 65535, NSID, cookie, subnet': opt(0xffff, { dnssec: true, options: EVERYTHING }),
  'OPT 4096, forged cookie': opt(4096, { options: FORGED }),
  'OPT of version 1': opt(4096, { version: 1 }),
};

function* questions(zone: string): Generator<readonly [kind: string, bytes: Buffer]> {
  for (const name of [zone, `wide.${zone}`, `h1.${zone}`, `none.${zone}`, 'elsewhere.example', '.'])
    for (const [word, type] of Object.entries(TYPES)) yield [`${name} ${word}`, queryOf(1, name, type)];
  for (const name of ['version.bind', 'hostname.bind', 'id.server'])
    yield [`${name} CH TXT`, queryOf(1, name, TYPES.TXT, CHAOS)];
  for (const opcode of [2, 4, 5]) {
    const query = queryOf(1, zone, TYPES.SOA);
    query[2] = opcode << 3;
    yield [`opcode ${opcode}`, query];
  }
}

/** Such as are not well made. */
function* oddities(zone: string): Generator<readonly [kind: string, bytes: Buffer]> {
  const query = queryOf(1, `wide.${zone}`, TYPES.TXT);
  yield ['a header alone', query.subarray(0, 12)];
  yield ['half a question', query.subarray(0, 15)];
  const two = Buffer.concat([query, nameOf(`wide.${zone}`), Buffer.from('00100001', 'hex')]);
  two.writeUInt16BE(2, 4);
  yield ['two questions', two];
  const none = Buffer.from(query.subarray(0, 12));
  none.writeUInt16BE(0, 4);
  yield ['no question', none];
  const loop = Buffer.concat([query.subarray(0, 12), Buffer.from('c00c00100001', 'hex')]);
  yield ['a name that points to itself', loop];
}

function ask(address: string, port: number, kind: string, bytes: Buffer): Promise<Amplified> {
  return new Promise(resolve => {
    const socket = createSocket('udp4');
    let out = 0;
    let datagrams = 0;
    socket.on('message', answer => {
      out += answer.length;
      datagrams++;
    });
    socket.on('error', () => {});
    socket.send(bytes, port, address);
    setTimeout(() => {
      socket.close();
      resolve({ kind, in: bytes.length, out, datagrams });
    }, PATIENCE);
  });
}

const [address = '', port = '', zone = ''] = process.argv.slice(2);
const all: Promise<Amplified>[] = [];
for (const [kind, bytes] of questions(zone))
  for (const [ending, record] of Object.entries(ENDINGS)) {
    const query = Buffer.concat([bytes, record]);
    if (record.length > 0) query.writeUInt16BE(1, 10);
    all.push(ask(address, Number(port), `${kind}, ${ending}`, query));
  }
for (const [kind, bytes] of oddities(zone)) all.push(ask(address, Number(port), kind, bytes));
process.stdout.write(`${JSON.stringify(await Promise.all(all))}\n`);
