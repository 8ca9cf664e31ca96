/** What a line in user space needs of Linux: taps, raw sockets, and the namespaces of others, by koffi. Structures as on 64-bit Linux. */
import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';

type Call = (...args: unknown[]) => number;

const libc = koffi.load('libc.so.6');
const call = (prototype: string): Call => libc.func(prototype) as unknown as Call;

const setns = call('int setns(int fd, int type)');
const ioctl = call('int ioctl(int fd, unsigned long request, void *argument)');
const socket = call('int socket(int domain, int type, int protocol)');
const bind = call('int bind(int fd, const void *name, uint32_t length)');
const setsockopt = call('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)');
const nametoindex = call('unsigned int if_nametoindex(const char *name)');
const strerror = libc.func('const char *strerror(int number)') as unknown as (number: number) => string;
const ppoll = call('int ppoll(void *fds, unsigned long count, const void *timeout, const void *signals)');

export const calls = {
  read: call('long read(int fd, void *buffer, size_t length)'),
  write: call('long write(int fd, const void *buffer, size_t length)'),
};

const CLONE_NEWNET = 0x40000000;
const TUNSETIFF = 0x400454ca;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const O_RDWR_NONBLOCK = 0o4002;
const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_SOCKET = 1;
const SO_MARK = 36;
const POLLIN = 1;
/** ms. */
const LONGEST = 1_000_000;

function checked(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: ${strerror(koffi.errno())}`);
  return result;
}

/** Goes into the network namespace of a process, with this thread and what it spawns. */
export function enterNetwork(pid: number): void {
  const fd = openSync(`/proc/${pid}/ns/net`, 'r');
  checked(setns(fd, CLONE_NEWNET), `the network namespace of process ${pid}`);
  closeSync(fd);
}

/** A new tap interface of this namespace; it lives as long as the descriptor. Each read gives a frame, and none waits. */
export function openTap(name: string): number {
  const fd = openSync('/dev/net/tun', O_RDWR_NONBLOCK);
  const request = Buffer.alloc(40);
  request.write(name, 'latin1');
  request.writeUInt16LE(IFF_TAP | IFF_NO_PI, 16);
  checked(ioctl(fd, TUNSETIFF, request), `tap ${name}`);
  return fd;
}

/** A socket whose frames leave by an interface of this namespace, with a mark by which they are known there. */
export function openMarked(name: string, mark: number): number {
  const fd = checked(socket(AF_PACKET, SOCK_RAW_CLOEXEC, 0), 'a packet socket');
  const value = Buffer.alloc(4);
  value.writeUInt32LE(mark);
  checked(setsockopt(fd, SOL_SOCKET, SO_MARK, value, 4), 'SO_MARK');
  // sockaddr_ll: family, protocol (0: it receives nothing), index.
  const at = Buffer.alloc(20);
  at.writeUInt16LE(AF_PACKET, 0);
  at.writeInt32LE(nametoindex(name), 4);
  checked(bind(fd, at, at.length), `packet socket on ${name}`);
  return fd;
}

/** Waits until descriptors have something to read. */
export class Poller {
  readonly #fds: Buffer;
  readonly #count: number;
  /** struct timespec: s, ns. */
  readonly #timeout = Buffer.allocUnsafeSlow(16).fill(0);

  constructor(fds: readonly number[]) {
    this.#count = fds.length;
    this.#fds = Buffer.allocUnsafeSlow(fds.length * 8).fill(0);
    for (const [index, fd] of fds.entries()) {
      this.#fds.writeInt32LE(fd, index * 8);
      this.#fds.writeInt16LE(POLLIN, index * 8 + 4);
    }
  }

  /** Waits at most so many ms, fractions and Infinity among them. */
  wait(ms: number): void {
    const seconds = Math.floor(Math.min(ms, LONGEST) / 1000);
    this.#timeout.writeUInt32LE(seconds, 0);
    this.#timeout.writeUInt32LE(Math.floor((Math.min(ms, LONGEST) - seconds * 1000) * 1e6), 8);
    ppoll(this.#fds, this.#count, this.#timeout, null);
  }

  /** After `wait`: whether the descriptor of this place has something to read. */
  isReady(at: number): boolean {
    return this.#fds.readInt16LE(at * 8 + 6) !== 0;
  }
}
