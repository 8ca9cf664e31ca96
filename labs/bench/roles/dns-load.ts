/**
 * Asks a DNS server as fast as it answers: `node bench-dns-load.mjs SERVER PORT ms` says how many answers came. It has so little work of its
 * own (many datagrams a system call both ways, from many ports) that two of it, on a core each, are more than two threads of a server can
 * answer. What it does not do is what dnsperf is for: to tell which query an answer is for.
 */
import { performance } from 'node:perf_hooks';
import koffi from 'koffi';
import { addressOf, calls, failure, MSG_DONTWAIT } from '../../../appliance/host/datagram-calls.ts';
import { address, addressBytes } from '../../../sdk/wire/address.ts';
import { NAMES, ZONE } from '../dns-peers.ts';
import { queryOf } from '../gslb/questions.ts';

/** What came of it. */
export interface Loaded {
  readonly answers: number;
  /** Queries that were given up. */
  readonly lost: number;
  /** Answers that said anything but NOERROR. */
  readonly wrong: number;
  /** ms. */
  readonly lasted: number;
  /** ms of processor time that it took to ask. */
  readonly spent: number;
}

/** Ports that are asked from: the kernel deals them out to the server's threads, and few would not come out even. */
const PORTS = 24;
/** Queries of a port that are on their way at once. In all, no more than a socket of 200 KB takes (some 800 bytes each). */
const WINDOW = 8;
/** ms at most that it waits when all ports have asked enough. */
const NAP = 10;
/** ms without an answer, after which all queries of a port are lost. */
const PATIENCE = 100;
const QUERY_BYTES = 64;
const ANSWER_BYTES = 512;
/** Of mmsghdr, and of iovec (datagram-calls.ts). */
const HEADER_BYTES = 64;
const IOVEC_BYTES = 16;
/** A pollfd (poll(2)): descriptor, what is waited for (POLLIN), what has come. */
const POLLFD_BYTES = 8;
const POLLIN = 1;
const AF_INET = 2;
const SOCK_DGRAM = 2;

const connect = koffi
  .load('libc.so.6')
  .func('int connect(int fd, const void *name, uint32_t length)') as unknown as (
  fd: number,
  name: Buffer,
  length: number,
) => number;

/** A datagram socket with one peer. */
function open(server: string, port: number): number {
  const name = Buffer.alloc(16);
  name.writeUInt16LE(AF_INET, 0);
  name.writeUInt16BE(port, 2);
  name.set(addressBytes(address(server)), 4);
  const fd = calls.socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || connect(fd, name, name.length) < 0) throw failure(`${server} port ${port}`);
  return fd;
}

/** What the kernel finds by address alone: the collector would take it. */
const kept: Buffer[] = [];

/** An array of mmsghdr for datagrams that lie in `data`, `stride` bytes apart, of so many bytes each. */
function messages(data: Buffer, stride: number, lengths: readonly number[]): Buffer {
  const headers = Buffer.allocUnsafeSlow(lengths.length * HEADER_BYTES).fill(0);
  const iovecs = Buffer.allocUnsafeSlow(lengths.length * IOVEC_BYTES).fill(0);
  const [dataAt, iovecsAt] = [BigInt(addressOf(data)), BigInt(addressOf(iovecs))];
  for (const [index, length] of lengths.entries()) {
    iovecs.writeBigUInt64LE(dataAt + BigInt(index * stride), index * IOVEC_BYTES);
    iovecs.writeBigUInt64LE(BigInt(length), index * IOVEC_BYTES + 8);
    headers.writeBigUInt64LE(iovecsAt + BigInt(index * IOVEC_BYTES), index * HEADER_BYTES + 16);
    headers.writeBigUInt64LE(1n, index * HEADER_BYTES + 24);
  }
  kept.push(data, headers, iovecs);
  return headers;
}

/** Asks for all names in turn, for so many ms. */
function load(server: string, port: number, duration: number): Loaded {
  const queries = Array.from({ length: NAMES + WINDOW }, (_, index) =>
    queryOf(index, `h${index % NAMES}.${ZONE}`),
  );
  const asked = Buffer.allocUnsafeSlow(queries.length * QUERY_BYTES);
  for (const [index, query] of queries.entries()) query.copy(asked, index * QUERY_BYTES);
  const out = messages(
    asked,
    QUERY_BYTES,
    queries.map(query => query.length),
  );
  const from = queries.map((_, index) => out.subarray(index * HEADER_BYTES));
  const answered = Buffer.allocUnsafeSlow(WINDOW * ANSWER_BYTES);
  const back = messages(
    answered,
    ANSWER_BYTES,
    Array.from({ length: WINDOW }, () => ANSWER_BYTES),
  );
  const ports = Array.from({ length: PORTS }, () => ({ fd: open(server, port), waiting: 0, heard: 0 }));
  const polled = Buffer.allocUnsafeSlow(PORTS * POLLFD_BYTES).fill(0);
  for (const [index, { fd }] of ports.entries()) {
    polled.writeInt32LE(fd, index * POLLFD_BYTES);
    polled.writeUInt16LE(POLLIN, index * POLLFD_BYTES + 4);
  }
  let [next, answers, lost, wrong] = [0, 0, 0, 0];
  const before = process.cpuUsage();
  const start = performance.now();
  let now = start;
  for (; now < start + duration; now = performance.now()) {
    let idle = true;
    for (const one of ports) {
      const came = calls.recvmmsg(one.fd, back, WINDOW, MSG_DONTWAIT, null);
      for (let index = 0; index < came; index++) {
        answers++;
        if ((answered[index * ANSWER_BYTES + 3]! & 15) !== 0) wrong++;
      }
      if (came > 0) {
        idle = false;
        one.heard = now;
        // What was given up may come after all.
        one.waiting = Math.max(0, one.waiting - came);
      } else if (one.waiting > 0 && now - one.heard > PATIENCE) {
        lost += one.waiting;
        one.waiting = 0;
      }
      if (one.waiting > WINDOW / 2) continue;
      if (one.waiting === 0) one.heard = now;
      const sent = calls.sendmmsg(one.fd, from[next], WINDOW - one.waiting, MSG_DONTWAIT);
      if (sent <= 0) continue;
      idle = false;
      one.waiting += sent;
      next = (next + sent) % NAMES;
    }
    if (idle) calls.poll(polled, PORTS, NAP);
  }
  const { user, system } = process.cpuUsage(before);
  for (const { fd } of ports) calls.close(fd);
  return { answers, lost, wrong, lasted: now - start, spent: (user + system) / 1000 };
}

const [server = '', port = '', duration = ''] = process.argv.slice(2);
process.stdout.write(`${JSON.stringify(load(server, Number(port), Number(duration)))}\n`);
