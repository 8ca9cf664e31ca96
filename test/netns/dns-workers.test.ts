/** Threads that answer: each has every change, and one that falls is replaced while the others go on. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DnsCell, type ServerProcess, tell } from '../support/dns-cell.ts';
import { poll } from '../support/netns.ts';

let cell: DnsCell;
/** Of the test that runs. */
let server: ServerProcess;

beforeAll(async () => {
  cell = new DnsCell();
  await cell.build();
});
afterEach(async () => {
  server.end();
  await server.exited;
});
afterAll(() => cell.dispose());

/**
 * Asks from as many sockets, each again and again; says when all have had answers. When its input has ended each asks once more; then it says
 * what they saw, as JSON.
 */
const ASK = `const dgram = require('node:dgram');
const query = Buffer.from('000001000001000000000000' + '03777777' + '0463656c6c' + '00' + '00010001', 'hex');
const seen = [];
let ended = false;
const count = Number(process.argv[1]);
let going = 0;
process.stdin.on('end', () => { ended = true; }).resume();
const one = () => new Promise(done => {
  const socket = dgram.createSocket('udp4');
  const own = { answered: 0, lost: 0, longest: 0, last: '' };
  let id = 0; let since = Date.now(); let timer; let last;
  const ask = () => {
    last = ended;
    query.writeUInt16BE(id = (id + 1) & 65535, 0);
    socket.send(query, 53, '10.9.0.1');
    timer = setTimeout(() => { own.lost++; ask(); }, 250);
  };
  socket.on('message', bytes => {
    if (bytes.readUInt16BE(0) !== id) return;
    clearTimeout(timer);
    own.answered++; own.longest = Math.max(own.longest, Date.now() - since); since = Date.now();
    own.last = [...bytes.subarray(-4)].join('.');
    if (own.answered === 5 && ++going === count) console.log('going');
    if (last) { socket.close(); seen.push(own); done(); } else setTimeout(ask, 5);
  });
  ask();
});
Promise.all(Array.from({ length: count }, one)).then(() => console.log(JSON.stringify(seen)));`;

interface Seen {
  readonly answered: number;
  readonly lost: number;
  /** ms between two answers, at most. */
  readonly longest: number;
  /** The last four bytes of the last answer: an address. */
  readonly last: string;
}

/** What clients with as many sockets saw while `during` went on. */
async function watch(sockets: number, during: () => Promise<void>): Promise<readonly Seen[]> {
  const asking = cell.client.spawn(process.execPath, ['-e', ASK, String(sockets)]);
  await poll(() => asking.stdout().includes('going\n'), 60_000, 'all are asking');
  await during();
  asking.end();
  await asking.exited;
  return JSON.parse(asking.stdout().replace('going\n', '')) as Seen[];
}

const started = (): number => server.stdout().split('worker started').length - 1;
const answering = (count: number) => async (): Promise<void> => {
  let done = 0;
  await poll(
    async () => (await cell.short('www.cell')).length > 0 && ++done >= count,
    30_000,
    'some time with answers',
  );
};

test('of two, one falls: the other answers all, and soon there are two again', async () => {
  server = await cell.start('2');
  await tell(server, 'www.cell 10.0.0.1');
  const seen = await watch(40, async () => {
    await answering(10)();
    await tell(server, 'crash');
    await poll(() => started() === 3, 30_000, 'a third worker');
    await tell(server, 'www.cell 10.0.0.7');
    await answering(10)();
  });
  expect(seen).toHaveLength(40);
  // What waited in the socket of the one that fell is lost, and asked again; on a busy machine an answer may be late, too.
  expect(seen.filter(({ longest, answered }) => longest > 20_000 || answered < 6)).toEqual([]);
  // The new one has what was published while it was away.
  expect(new Set(seen.map(({ last }) => last))).toEqual(new Set(['10.0.0.7']));
  expect(server.stderr()).toContain('dns-worker-ended');
});

test('the only one falls: it is back at once', async () => {
  server = await cell.start('1');
  await tell(server, 'www.cell 10.0.0.1');
  const seen = await watch(10, async () => {
    await answering(10)();
    await tell(server, 'crash');
    await poll(() => started() === 2, 30_000, 'another worker');
    await answering(10)();
  });
  expect(seen.filter(({ longest }) => longest > 20_000)).toEqual([]);
  expect(new Set(seen.map(({ last }) => last))).toEqual(new Set(['10.0.0.1']));
  expect((await cell.short('+tcp', 'www.cell'))[0]).toBe('10.0.0.1');
});

test('it ends when it is told to, and starts anew at the same port; without workers, too', async () => {
  server = await cell.start('2');
  server.end();
  expect(await server.exited).toBe(0);
  // Nor do its threads outlive, or hold, a main thread that falls.
  const failing = await cell.start('2', '', '');
  failing.write('fail\n');
  const waited = new Promise(resolve => setTimeout(resolve, 30_000, 'it stayed'));
  expect(await Promise.race([failing.exited, waited])).toBe(1);
  server = await cell.start('0', '', '');
  expect(server.stdout()).toContain('ready plain');
  expect(await cell.short('www.cell')).toEqual(['10.0.0.1', '10.0.0.2']);
  // Of several addresses Node's sockets answer from the one that the kernel prefers: of IPv6 here not fd09::1.
  const { stdout } = await cell.appliance.run('dig', ['@::1', '+short', '+tries=1', 'www.cell']);
  expect(stdout.trim().split('\n')).toEqual(['10.0.0.1', '10.0.0.2']);
});

/** Noise, damaged queries, and queries for what was never asked for before, as fast as they go; says how many it sent. */
const FLOOD = `const dgram = require('node:dgram');
const { randomBytes, randomInt } = require('node:crypto');
const socket = dgram.createSocket('udp4');
const good = (name, type, options) => {
  const labels = Buffer.concat([...name.split('.').map(l => Buffer.from([l.length, ...Buffer.from(l)])), Buffer.from([0])]);
  const tail = Buffer.from([type >> 8, type & 255, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, options.length >> 8, options.length & 255]);
  return Buffer.concat([randomBytes(2), Buffer.from([1, 0, 0, 1, 0, 0, 0, 0, 0, 1]), labels, tail, options]);
};
const make = n => {
  const cookie = Buffer.concat([Buffer.from([0, 10, 0, 8]), randomBytes(8)]);
  const subnet = Buffer.from([0, 8, 0, 7, 0, 1, 24, 0, 10, n & 255, (n >> 8) & 255]);
  switch (n % 5) {
    case 0: return good('x' + n + '.cell', 1, cookie);
    case 1: return good('www.cell', 1, subnet);
    case 2: return good('alias.cell', n & 0xffff, cookie);
    case 3: { const bytes = good('www.cell', 28, subnet); bytes[randomInt(2, bytes.length)] = n & 255; return bytes; }
    default: { const bytes = randomBytes(n % 1400); if (bytes.length > 2) bytes[2] &= 0x7f; return bytes; }
  }
};
let left = Number(process.argv[1]);
let under = 0;
const next = () => {
  while (under < 256 && left > 0) { under++; socket.send(make(left--), 53, '10.9.0.1', () => { under--; next(); }); }
  if (left === 0 && under === 0) { socket.close(); console.log('done'); }
};
next();`;

test('whatever is sent, however much of it: it lives, answers, and takes no more memory', async () => {
  server = await cell.start('2', '10.9.0.2/32');
  const flood = async (count: number): Promise<void> => {
    const flooding = cell.client.spawn(process.execPath, ['-e', FLOOD, String(count)]);
    await flooding.exited;
    expect(flooding.stdout()).toContain('done');
  };
  const resident = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;
  await flood(30_000);
  const before = resident();
  await flood(100_000);
  await answering(5)();
  expect(server.stderr()).not.toContain('dns-worker-ended');
  expect(resident() - before).toBeLessThan(24);
  // Counts are of the time before they are asked for.
  const counted = async (): Promise<boolean> =>
    (JSON.parse((await tell(server, 'counts')).replace('counts ', '')) as { queries: number }).queries >
    10_000;
  expect(await poll(counted, 30_000, 'what the workers have counted')).toBe(true);
});
