/**
 * The system calls of a socket that takes and sends many datagrams at once (recvmmsg(2), sendmmsg(2)), by koffi. Structures are as on
 * 64-bit Linux: msghdr 56 bytes (name, namelen, iov, iovlen, control, controllen, flags), mmsghdr that and a length, 64 in all.
 */
import koffi from 'koffi';
import { type Address, addressBytes, familyOf } from '../../sdk/wire/address.ts';

type Call = (...args: unknown[]) => number;

const libc = koffi.load('libc.so.6');
const call = (prototype: string): Call => libc.func(prototype) as unknown as Call;

export const calls = {
  socket: call('int socket(int domain, int type, int protocol)'),
  bind: call('int bind(int fd, const void *name, uint32_t length)'),
  close: call('int close(int fd)'),
  setsockopt: call('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
  recvmmsg: call('int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)'),
  sendmmsg: call('int sendmmsg(int fd, const void *messages, unsigned int count, int flags)'),
  sendmsg: call('long sendmsg(int fd, const void *message, int flags)'),
  poll: call('int poll(void *fds, unsigned long count, int timeout)'),
  eventfd: call('int eventfd(unsigned int value, int flags)'),
  read: call('long read(int fd, void *buffer, size_t length)'),
  write: call('long write(int fd, const void *buffer, size_t length)'),
};

/** memcpy gives its first argument back: the address of a buffer. */
const address = libc.func('uintptr_t memcpy(void *to, const void *from, size_t length)') as unknown as (
  to: Uint8Array,
  from: Uint8Array,
  length: number,
) => number;

/** Where a buffer lies. It must not be small enough to be moved by the garbage collector: make it by allocUnsafeSlow. */
export const addressOf = (buffer: Uint8Array): number => address(buffer, buffer, 0);

export const errno = (): number => koffi.errno();

const strerror = libc.func('const char *strerror(int number)') as unknown as (number: number) => string;
export const failure = (what: string): Error => new Error(`${what}: ${strerror(koffi.errno())}`);

export const EAGAIN = 11;
export const MSG_DONTWAIT = 0x40;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_REUSEPORT = 15;
const SO_RCVBUFFORCE = 33;
const IPPROTO_IP = 0;
const IP_PKTINFO = 8;
const IP_MTU_DISCOVER = 10;
const IPPROTO_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
/** No fragments, whatever an ICMP message of anybody's says of the path (RFC 9715 §3.1). */
const PMTUDISC_PROBE = 3;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;

/** Datagrams that wait in the kernel while we are busy. */
const RECEIVE_BYTES = 4 << 20;

/**
 * A UDP socket that shares its port with others like it (SO_REUSEPORT); of all addresses, it is told which of them each datagram was
 * sent to. `::` takes IPv4, too. Throws when it cannot be bound.
 */
export function openShared(at: Address, port: number): number {
  const family = familyOf(at) === 4 ? AF_INET : AF_INET6;
  const fd = calls.socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw failure('socket');
  option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  option(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES);
  option(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES);
  if (family === AF_INET6) option(fd, IPPROTO_IPV6, IPV6_V6ONLY, at === '::' ? 0 : 1);
  option(fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE);
  if (family === AF_INET6) option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE);
  // An answer from a socket with an address of its own can only come from that, and is cheaper.
  if (at === '0.0.0.0') option(fd, IPPROTO_IP, IP_PKTINFO, 1);
  if (at === '::') option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  const name = Buffer.alloc(family === AF_INET ? 16 : 28);
  name.writeUInt16LE(family, 0);
  name.writeUInt16BE(port, 2);
  name.set(addressBytes(at), family === AF_INET ? 4 : 8);
  if (calls.bind(fd, name, name.length) < 0) {
    const error = failure(`bind ${at} port ${port}`);
    calls.close(fd);
    throw error;
  }
  return fd;
}

function option(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  calls.setsockopt(fd, level, name, bytes, 4);
}
