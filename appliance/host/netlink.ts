/**
 * A netlink socket (netlink(7)) by koffi: one request, its answers. It acts in the network namespace where it was opened.
 */
import koffi from 'koffi';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const SOL_NETLINK = 270;
const NETLINK_EXT_ACK = 11;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
/** A batch goes in one send, however long. */
const BATCH_BYTES = 8 << 20;
/**
 * Unless it is said, a batch of as many bytes passes on another thread: the kernel carries it out within the send, and that takes it
 * milliseconds.
 */
const LONG_BATCH = 2048;
/**
 * And any of nf_tables that comes within so many ms of another, in a crowd: the kernel looks at all chains of the table, for each. One that
 * comes alone is carried out sooner than a thread is heard of.
 */
const CALM = 50;
/** Requests of each() in one send: the answers to all of them must fit into the socket. */
const REQUESTS = 64;
const EINTR = 4;
const EAGAIN = 11;
const ENOBUFS = 105;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

/** A message as it came: its type and what is behind the 16-byte header. Valid only during the call. */
export type OnMessage = (type: number, payload: Buffer) => void;

export interface Netlink {
  /**
   * Sends a batch of messages (linux/netfilter/nfnetlink.h, NFNL_MSG_BATCH_BEGIN…END) and waits for the answer to the one with the
   * sequence number `last`. Gives '' if all was committed, else the first error. Nothing is done when there is one. `onThread`: whether
   * it passes on another thread.
   */
  batch(bytes: Uint8Array, last: number, onThread?: boolean): Promise<string>;
  /**
   * Sends a request (with its header; flags ACK or DUMP set) and reads until it is done. `onMessage` gets each answer. Between the
   * pieces of a long dump the event loop runs. Rejects with what the kernel said.
   */
  request(message: Uint8Array, onMessage?: OnMessage): Promise<void>;
  /**
   * Sends requests of which the kernel carries out each by itself, with their headers and the flag ACK, on another thread. Gives the errno of
   * each, 0 when it is done, -1 when it was not sent or not answered.
   */
  each(messages: readonly Uint8Array[]): Promise<readonly number[]>;
  close(): void;
}

type Call = ((...args: unknown[]) => number) & { readonly async: (...args: unknown[]) => void };

/** A call on another thread. */
const elsewhere = (call: Call, ...args: unknown[]): Promise<number> =>
  new Promise((resolve, reject) =>
    call.async(...args, (error: unknown, result: number) => (error ? reject(error) : resolve(result))),
  );

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int domain, int type, int protocol)') as unknown as Call;
const send = libc.func('long send(int fd, const void *buf, size_t len, int flags)') as unknown as Call;
const recv = libc.func('long recv(int fd, void *buf, size_t len, int flags)') as unknown as Call;
const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
) as unknown as Call;
const close = libc.func('int close(int fd)') as unknown as Call;
const strerror = libc.func('const char *strerror(int number)') as unknown as (number: number) => string;

/**
 * Opens a netlink socket of a protocol (12 = NETLINK_NETFILTER, 0 = NETLINK_ROUTE). Throws when there is none. `slow`: the kernel takes
 * milliseconds over a request (conntrack's table is walked from end to end), and they are to pass on another thread.
 */
export function openNetlink(protocol: number, slow = false): Netlink {
  const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) throw failure('socket(AF_NETLINK)');
  option(fd, SOL_SOCKET, SO_RCVBUF, 1 << 20);
  option(fd, SOL_SOCKET, SO_SNDBUFFORCE, BATCH_BYTES);
  option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  // One page per recv is what the kernel fills at the least; 64 KiB lets a dump come in few calls.
  const buffer = Buffer.alloc(65_536);
  let under: Promise<unknown> | undefined;
  let open = true;
  let batchedAt = Number.NEGATIVE_INFINITY;

  const exchange = async (message: Uint8Array, onMessage: OnMessage | undefined): Promise<void> => {
    if (!open) throw new Error('the netlink socket is closed');
    if (slow) {
      if ((await elsewhere(send, fd, message, message.length, 0)) < 0) throw new Error('netlink send failed');
    } else if (send(fd, message, message.length, 0) < 0) throw failure('netlink send');
    for (;;) {
      const length = slow
        ? await elsewhere(recv, fd, buffer, buffer.length, 0)
        : recv(fd, buffer, buffer.length, MSG_DONTWAIT);
      if (length < 0 && slow) throw new Error('netlink recv failed');
      if (length < 0) {
        const errno = koffi.errno();
        if (errno !== EINTR && errno !== EAGAIN) throw failure('netlink recv');
      } else if (read(buffer.subarray(0, length), onMessage)) return;
      await new Promise(resolve => setImmediate(resolve));
      if (!open) throw new Error('the netlink socket was closed');
    }
  };
  const commit = async (bytes: Uint8Array, last: number, onThread?: boolean): Promise<string> => {
    if (!open) return 'the netlink socket is closed';
    const isCrowd = performance.now() - batchedAt < CALM;
    batchedAt = performance.now();
    if (!(onThread ?? (isCrowd || bytes.length >= LONG_BATCH))) {
      if (send(fd, bytes, bytes.length, 0) < 0) return failure('netlink send').message;
    } else if ((await elsewhere(send, fd, bytes, bytes.length, 0)) < 0) return 'netlink send failed';
    let problem = '';
    for (let tries = 0; tries < 1000; tries++) {
      const length = recv(fd, buffer, buffer.length, MSG_DONTWAIT);
      if (length < 0) {
        if (problem !== '') return problem;
        await new Promise(resolve => setImmediate(resolve));
        if (!open) return 'the netlink socket was closed';
        continue;
      }
      for (const { sequence, errno } of acknowledgements(buffer.subarray(0, length))) {
        if (errno !== 0) problem ||= `netlink: ${strerror(errno)} (message ${sequence})`;
        if (sequence === last) return problem;
      }
    }
    return 'netlink: the kernel did not answer';
  };
  const carryOut = async (messages: readonly Uint8Array[]): Promise<readonly number[]> => {
    const errors = messages.map(() => -1);
    const bytes = Buffer.concat(messages);
    let at = 0;
    for (const [index, message] of messages.entries()) {
      bytes.writeUInt32LE(index, at + 8);
      at += message.length;
    }
    if (!open || (await elsewhere(send, fd, bytes, bytes.length, 0)) < 0) return errors;
    // All of it was done, and answered, within the send.
    for (let left = messages.length; left > 0 && open; ) {
      const length = recv(fd, buffer, buffer.length, MSG_DONTWAIT);
      if (length < 0 && koffi.errno() !== EINTR) break;
      for (const { sequence, errno } of acknowledgements(buffer.subarray(0, Math.max(0, length)))) {
        errors[sequence] = errno;
        left--;
      }
    }
    return errors;
  };
  /** One after the other. With none under way it is sent before this returns: what the caller does next may take milliseconds. */
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const done = under === undefined ? run() : under.then(run);
    const over = done
      .catch(() => {})
      .then(() => {
        if (under === over) under = undefined;
      });
    under = over;
    return done;
  };
  return {
    batch: (bytes, last, onThread) => inTurn(() => commit(bytes, last, onThread)),
    request: (message, onMessage) => inTurn(() => exchange(message, onMessage)),
    each: messages =>
      inTurn(async () => {
        const errors: number[] = [];
        for (let at = 0; at < messages.length; at += REQUESTS)
          errors.push(...(await carryOut(messages.slice(at, at + REQUESTS))));
        return errors;
      }),
    close() {
      if (open) close(fd);
      open = false;
    },
  };
}

function* acknowledgements(bytes: Buffer): Iterable<{ readonly sequence: number; readonly errno: number }> {
  for (let offset = 0; offset + 20 <= bytes.length; ) {
    const length = bytes.readUInt32LE(offset);
    if (length < 20) return;
    if (bytes.readUInt16LE(offset + 4) === NLMSG_ERROR)
      yield { sequence: bytes.readUInt32LE(offset + 8), errno: -bytes.readInt32LE(offset + 16) };
    offset += (length + 3) & ~3;
  }
}

/** Reads the messages of one datagram; true when the answer is complete. Throws the kernel's error. */
function read(bytes: Buffer, onMessage: OnMessage | undefined): boolean {
  let offset = 0;
  while (offset + 16 <= bytes.length) {
    const length = bytes.readUInt32LE(offset);
    if (length < 16 || offset + length > bytes.length)
      throw new Error('netlink: a message lies about its length');
    const type = bytes.readUInt16LE(offset + 4);
    const payload = bytes.subarray(offset + 16, offset + length);
    if (type === NLMSG_ERROR || type === NLMSG_DONE) {
      const errno = payload.length >= 4 ? -payload.readInt32LE(0) : 0;
      if (errno > 0) throw Object.assign(new Error(`netlink: ${strerror(errno)}`), { errno });
      return true;
    }
    onMessage?.(type, payload);
    offset += (length + 3) & ~3;
  }
  return false;
}

function option(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value | 0);
  setsockopt(fd, level, name, bytes, 4);
}

function failure(what: string): Error {
  return new Error(`${what}: ${strerror(koffi.errno())}`);
}

const bind = libc.func('int bind(int fd, const void *name, uint32_t length)') as unknown as Call;

/** Listens to multicast groups of a netlink protocol. */
export interface NetlinkGroups {
  /** Reads all that has come, without waiting; true when there was anything, or some of it was lost. */
  drain(): boolean;
  /** Resolves when there is something to drain: true; or when it was closed: false. One at a time; it waits on another thread. */
  wait(): Promise<boolean>;
  close(): void;
}

const poll = libc.func('int poll(void *fds, unsigned long count, int timeout)') as unknown as Call;
const eventfd = libc.func('int eventfd(unsigned int value, int flags)') as unknown as Call;
const write = libc.func('long write(int fd, const void *buf, size_t len)') as unknown as Call;
const POLLIN = 1;

/** Joins groups (a bit mask, RTMGRP_…). Throws when it cannot. */
export function openNetlinkGroups(protocol: number, groups: number): NetlinkGroups {
  const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) throw failure('socket(AF_NETLINK)');
  const name = Buffer.alloc(12);
  name.writeUInt16LE(AF_NETLINK, 0);
  name.writeUInt32LE(groups, 8);
  if (bind(fd, name, name.length) < 0) throw failure('bind(AF_NETLINK)');
  const buffer = Buffer.alloc(8192);
  // Made when it is first waited: a close must reach the thread that waits.
  let wake = -1;
  const both = Buffer.alloc(16);
  let waiting = false;
  let open = true;
  const dispose = (): void => {
    close(fd);
    if (wake >= 0) close(wake);
  };
  return {
    async wait() {
      // Closed already, its descriptors are somebody else's by now.
      if (!open) return false;
      if (wake < 0) wake = eventfd(0, SOCK_CLOEXEC);
      for (const [index, one] of [fd, wake].entries()) {
        both.writeInt32LE(one, index * 8);
        both.writeInt16LE(POLLIN, index * 8 + 4);
      }
      waiting = true;
      while (open && (await elsewhere(poll, both, 2, -1)) < 0);
      waiting = false;
      if (!open) dispose();
      return open;
    },
    drain() {
      for (let count = 0; ; count++) {
        if (recv(fd, buffer, buffer.length, MSG_DONTWAIT) >= 0) continue;
        if (koffi.errno() === EAGAIN) return count > 0;
        if (koffi.errno() !== EINTR && koffi.errno() !== ENOBUFS) return true;
      }
    },
    close() {
      if (!open) return;
      open = false;
      const one = Buffer.alloc(8);
      one.writeUInt8(1);
      if (waiting) write(wake, one, one.length);
      else dispose();
    },
  };
}

const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_RAW = 255;
/** Packets sent before the event loop gets its turn. */
const TURN = 256;
const SO_MARK = 36;
const sendto = libc.func(
  'long sendto(int fd, const void *buf, size_t len, int flags, const void *to, uint32_t tolen)',
) as unknown as Call;

/** Sends IP packets that hold their own header (raw(7), IPPROTO_RAW), with a mark that the packet filter sees. */
export interface MarkedSender {
  /** Sends each packet to the 4 or 16 bytes of its address; what the kernel has no room for is lost. The event loop runs in between. */
  send(packets: readonly { readonly packet: Uint8Array; readonly to: Uint8Array }[]): Promise<void>;
  close(): void;
}

export const NETLINK_NETFILTER = 12;
export const NETLINK_ROUTE = 0;
export const NETLINK_GENERIC = 16;

/** Opens raw sockets of both families. Throws without CAP_NET_RAW (and CAP_NET_ADMIN for the mark). */
export function openMarkedSender(mark: number): MarkedSender {
  const sockets = new Map<number, number>();
  for (const family of [AF_INET, AF_INET6]) {
    const fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0) throw failure('socket(SOCK_RAW)');
    option(fd, SOL_SOCKET, SO_MARK, mark);
    sockets.set(family, fd);
  }
  return {
    async send(packets) {
      for (const [count, { packet, to }] of packets.entries()) {
        const family = to.length === 4 ? AF_INET : AF_INET6;
        const name = Buffer.alloc(family === AF_INET ? 16 : 28);
        name.writeUInt16LE(family, 0);
        name.set(to, family === AF_INET ? 4 : 8);
        sendto(sockets.get(family), packet, packet.length, MSG_DONTWAIT, name, name.length);
        if (count % TURN === TURN - 1) await new Promise(resolve => setImmediate(resolve));
      }
    },
    close() {
      for (const fd of sockets.values()) close(fd);
      sockets.clear();
    },
  };
}
