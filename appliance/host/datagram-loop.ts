/**
 * The loop of a thread that does nothing but answer datagrams. It never returns to the event loop: what the main thread posts is fetched
 * when the wake-up descriptor (eventfd(2)) says so, and so is the end.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { DatagramBatch, type DatagramHandler } from './datagram-batch.ts';
import { calls, failure, openShared } from './datagram-calls.ts';

export interface DatagramLoopOptions {
  readonly addresses: readonly Address[];
  readonly port: number;
  /** Becomes readable when there is something to fetch. */
  readonly wake: number;
  readonly handler: DatagramHandler;
  /** The sockets are bound. */
  readonly onReady: () => void;
  /** Takes what was posted; false: it is the end. */
  readonly fetch: () => boolean;
}

const POLLIN = 1;
const POLLFD_BYTES = 8;
/** ms: whatever becomes of a wake-up, what was posted is found. */
const LONGEST_WAIT = 1000;
/** Batches from one socket before another has its turn, and what was posted is looked at. */
const TURNS = 16;

/** Answers until `fetch` says that it is the end. Throws when an address cannot be bound. */
export function runDatagramLoop(options: DatagramLoopOptions): void {
  const { addresses, port, wake, handler, fetch } = options;
  const sockets: number[] = [];
  try {
    for (const address of addresses) sockets.push(openShared(address, port));
    const batch = new DatagramBatch(handler);
    options.onReady();
    const descriptors = [...sockets, wake];
    const polled = Buffer.allocUnsafeSlow(descriptors.length * POLLFD_BYTES);
    for (const [index, fd] of descriptors.entries()) {
      polled.writeInt32LE(fd, index * POLLFD_BYTES);
      polled.writeUInt16LE(POLLIN, index * POLLFD_BYTES + 4);
      polled.writeUInt16LE(0, index * POLLFD_BYTES + 6);
    }
    const ready = (index: number): boolean => polled.readUInt16LE(index * POLLFD_BYTES + 6) !== 0;
    const count = Buffer.allocUnsafeSlow(8);
    for (;;) {
      const events = calls.poll(polled, descriptors.length, LONGEST_WAIT);
      if (events > 0 && ready(sockets.length)) calls.read(wake, count, 8);
      if (!fetch()) return;
      if (events <= 0) continue;
      for (const [index, fd] of sockets.entries()) {
        if (!ready(index)) continue;
        let turns = 0;
        // While one is under way others come: to ask again is cheaper than to wait and be told.
        while (batch.turn(fd) > 0 && ++turns < TURNS);
      }
    }
  } finally {
    for (const fd of sockets) calls.close(fd);
  }
}

/** A descriptor to wake a loop by, and what wakes it. Throws when there is none to be had. */
export function openWake(): { readonly fd: number; readonly wake: () => void; readonly close: () => void } {
  const EFD_CLOEXEC_NONBLOCK = 0o2004000;
  const fd = calls.eventfd(0, EFD_CLOEXEC_NONBLOCK);
  if (fd < 0) throw failure('eventfd');
  const one = Buffer.allocUnsafeSlow(8);
  one.writeBigUInt64LE(1n);
  return { fd, wake: () => void calls.write(fd, one, 8), close: () => void calls.close(fd) };
}
