/**
 * Sends packets and counts what comes back faster than what is measured can answer: sendmmsg(2) and recvmmsg(2) over native
 * memory, in a loop that never gives up the processor. Only for a process of its own.
 */
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const bind = libc.func('int bind(int fd, const void *address, unsigned int length)');
const connect = libc.func('int connect(int fd, const void *address, unsigned int length)');
const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
);
const sendmmsg = libc.func('int sendmmsg(int fd, void *messages, unsigned int count, int flags)');
const recvmmsg = libc.func(
  'int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)',
);
const malloc = libc.func('void *malloc(size_t size)');

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const ETH_P_ARP = 0x0806;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;

/** struct mmsghdr and struct iovec of 64-bit Linux. */
const MMSGHDR = 64;
const IOVEC = 16;
const ROOM = 2048;

/** Packets of one system call. */
export const BATCH = 64;

/** So many message headers, each with a buffer of its own, in one block of native memory. */
class Messages {
  readonly pointer: unknown;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor() {
    const size = BATCH * (MMSGHDR + IOVEC + ROOM);
    this.pointer = malloc(size);
    const memory = koffi.view(this.pointer as never, size);
    this.bytes = new Uint8Array(memory).fill(0);
    this.view = new DataView(memory);
    const base = koffi.address(this.pointer as never);
    for (let index = 0; index < BATCH; index++) {
      const iovec = BATCH * MMSGHDR + index * IOVEC;
      this.view.setBigUint64(index * MMSGHDR + 16, base + BigInt(iovec), true);
      this.view.setBigUint64(index * MMSGHDR + 24, 1n, true);
      this.view.setBigUint64(iovec, base + BigInt(BATCH * (MMSGHDR + IOVEC) + index * ROOM), true);
      this.view.setBigUint64(iovec + 8, BigInt(ROOM), true);
    }
  }

  fill(packet: Uint8Array): void {
    for (let index = 0; index < BATCH; index++) {
      this.buffer(index).set(packet);
      this.view.setBigUint64(BATCH * MMSGHDR + index * IOVEC + 8, BigInt(packet.length), true);
    }
  }

  buffer(index: number): Uint8Array {
    const start = BATCH * (MMSGHDR + IOVEC) + index * ROOM;
    return this.bytes.subarray(start, start + ROOM);
  }
}

export interface PacketSocket {
  readonly fd: number;
  /** Whether what was received is an answer. */
  readonly isAnswer: (packet: Uint8Array) => boolean;
}

/** All ARP of an interface; answers are frames with the opcode. */
export function arpSocket(interfaceIndex: number, opcode: number): PacketSocket {
  const fd = socket(AF_PACKET, SOCK_RAW, ((ETH_P_ARP & 255) << 8) | (ETH_P_ARP >> 8)) as number;
  const at = new Uint8Array(20);
  const view = new DataView(at.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ETH_P_ARP);
  view.setInt32(4, interfaceIndex, true);
  return open(fd, bind, at, packet => packet[20] === 0 && packet[21] === opcode);
}

/** A UDP socket connected to an IPv4 address; every datagram is an answer. */
export function udpSocket(address: string, port: number): PacketSocket {
  const fd = socket(AF_INET, SOCK_DGRAM, 0) as number;
  const to = new Uint8Array(16);
  const view = new DataView(to.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  to.set(address.split('.').map(Number), 4);
  return open(fd, connect, to, () => true);
}

function open(
  fd: number,
  attach: typeof bind,
  address: Uint8Array,
  isAnswer: PacketSocket['isAnswer'],
): PacketSocket {
  if (fd < 0 || attach(fd, address, address.length) !== 0)
    throw new Error(`the generator's socket cannot be opened: errno ${koffi.errno()}`);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, Uint8Array.of(0, 0, 0, 4), 4);
  return { fd, isAnswer };
}

/** Answers a second with never more than `window` queries under way, and how many were lost. */
export function throughput(
  { fd, isAnswer }: PacketSocket,
  packet: Uint8Array,
  options: { readonly window: number; readonly duration: number },
): { readonly rate: number; readonly lost: number } {
  const out = new Messages();
  const back = new Messages();
  out.fill(packet);
  const start = performance.now();
  const end = start + options.duration;
  let [sent, answered, lost] = [0, 0, 0];
  let progress = start;
  for (let now = start; now < end || sent - answered - lost > 0; now = performance.now()) {
    const free = options.window - (sent - answered - lost);
    if (now < end && free >= Math.min(options.window / 2, BATCH)) {
      const took = sendmmsg(fd, out.pointer, Math.min(free, BATCH), MSG_DONTWAIT) as number;
      if (took > 0) sent += took;
    }
    const came = recvmmsg(fd, back.pointer, BATCH, MSG_DONTWAIT, null) as number;
    for (let index = 0; index < came; index++) {
      if (!isAnswer(back.buffer(index))) continue;
      answered++;
      progress = now;
    }
    if (now - progress > 200) {
      lost += sent - answered - lost;
      progress = now;
    }
  }
  return { rate: (answered * 1000) / (performance.now() - start), lost };
}

/** Round trips in microseconds, one query at a time. */
export function roundTrips({ fd, isAnswer }: PacketSocket, packet: Uint8Array, count: number): number[] {
  const out = new Messages();
  const back = new Messages();
  out.fill(packet);
  const times: number[] = [];
  for (let turn = 0; turn < count; turn++) {
    const start = performance.now();
    sendmmsg(fd, out.pointer, 1, 0);
    for (let waiting = true; waiting && performance.now() - start < 200; ) {
      const came = recvmmsg(fd, back.pointer, BATCH, MSG_DONTWAIT, null) as number;
      for (let index = 0; index < came; index++) if (isAnswer(back.buffer(index))) waiting = false;
    }
    times.push((performance.now() - start) * 1000);
    // A pause, so that what is measured is at rest when the next query comes, as it is on a quiet network.
    for (const rest = performance.now() + 0.3; performance.now() < rest; );
  }
  return times;
}
