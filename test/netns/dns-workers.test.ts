/** Threads that answer: each has every change, and one that falls is replaced while the others go on. */
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

/** Asks from as many sockets, each again and again, until its input ends; then says what they saw, as JSON. */
const ASK = `const dgram = require('node:dgram');
const query = Buffer.from('000001000001000000000000' + '03777777' + '0463656c6c' + '00' + '00010001', 'hex');
const seen = [];
let ended = false;
const gone = Number(process.argv[1]);
process.stdin.on('end', () => { ended = true; }).resume();
const one = () => new Promise(done => {
  const socket = dgram.createSocket('udp4');
  const own = { answered: 0, lost: 0, longest: 0, last: '' };
  let id = 0; let since = Date.now(); let timer;
  const ask = () => {
    if (ended) { socket.close(); seen.push(own); done(); return; }
    query.writeUInt16BE(id = (id + 1) & 65535, 0);
    socket.send(query, 53, '10.9.0.1');
    timer = setTimeout(() => { own.lost++; ask(); }, 100);
  };
  socket.on('message', bytes => {
    if (bytes.readUInt16BE(0) !== id) return;
    clearTimeout(timer);
    own.answered++; own.longest = Math.max(own.longest, Date.now() - since); since = Date.now();
    own.last = [...bytes.subarray(-4)].join('.');
    setTimeout(ask, 5);
  });
  ask();
});
Promise.all(Array.from({ length: gone }, one)).then(() => console.log(JSON.stringify(seen)));`;

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
  await during();
  asking.end();
  await asking.exited;
  return JSON.parse(asking.stdout()) as Seen[];
}

const started = (): number => server.stdout().split('worker started').length - 1;
const answering = (count: number) => async (): Promise<void> => {
  let done = 0;
  await poll(
    async () => (await cell.short('www.cell')).length > 0 && ++done >= count,
    20_000,
    'some time with answers',
  );
};

test('of two, one falls: the other answers all, and soon there are two again', async () => {
  server = await cell.start('2');
  await tell(server, 'www.cell 10.0.0.1');
  const seen = await watch(40, async () => {
    await answering(10)();
    await tell(server, 'crash');
    await poll(() => started() === 3, 20_000, 'a third worker');
    await tell(server, 'www.cell 10.0.0.7');
    await answering(10)();
  });
  expect(seen).toHaveLength(40);
  // What waited in the socket of the one that fell is lost, and asked again.
  expect(seen.filter(({ lost, answered }) => lost > 5 || answered < 5)).toEqual([]);
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
    await poll(() => started() === 2, 20_000, 'another worker');
    await answering(10)();
  });
  expect(seen.filter(({ longest }) => longest > 5000)).toEqual([]);
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
  const waited = new Promise(resolve => setTimeout(resolve, 10_000, 'it stayed'));
  expect(await Promise.race([failing.exited, waited])).toBe(1);
  server = await cell.start('0', '', '');
  expect(server.stdout()).toContain('ready plain');
  expect(await cell.short('www.cell')).toEqual(['10.0.0.1', '10.0.0.2']);
  // Of several addresses Node's sockets answer from the one that the kernel prefers: of IPv6 here not fd09::1.
  const { stdout } = await cell.appliance.run('dig', ['@::1', '+short', '+tries=1', 'www.cell']);
  expect(stdout.trim().split('\n')).toEqual(['10.0.0.1', '10.0.0.2']);
});
