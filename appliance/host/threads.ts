/**
 * Threads whose loop blocks (datagram-loop.ts): started, posted to, and ended.
 */
import { type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { openWake } from './datagram-loop.ts';

/** The thread's side: what it was started with, and the messages that wait. */
export interface ThreadData<Start> {
  readonly start: Start;
  /** Becomes readable when there is something to fetch. */
  readonly wake: number;
  /** Not 0: it is to end. Seen whatever becomes of messages; Node's own way to end a thread is lost on one that is within a native call. */
  readonly end: Int32Array;
}

export interface Thread<To> {
  post(message: To): void;
  /** Ends it, in good order or, if that takes too long, where it is; resolves when it has ended. */
  stop(): Promise<void>;
}

/** ms that a thread has to end by itself. */
const LATE = 2000;

/**
 * MB for what is young. What such a thread does all day leaves no garbage; V8 would take tens of MB for what passes by when much is asked for
 * at once, and never give them back.
 */
const YOUNG = 3;

/** How the thread says that it is ready. */
const READY = 'ready';

/**
 * Starts a program as a thread; resolves when it says that it is ready, rejects when it ends before.
 * `onGone` comes once if it ends later without being told to.
 */
export function startThread<To, From, Start>(
  program: URL,
  start: Start,
  onMessage: (message: From) => void,
  onGone: (reason: string) => void,
): Promise<Thread<To>> {
  const wake = openWake();
  const end = new Int32Array(new SharedArrayBuffer(4));
  const data: ThreadData<Start> = { start, wake: wake.fd, end };
  const worker = new Worker(program, {
    workerData: data,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG },
  });
  let reason = 'it ended';
  let stopping = false;
  let ready = false;
  const tellEnd = (): void => {
    Atomics.store(end, 0, 1);
    wake.wake();
  };
  // The process waits for its threads as it ends, and a blocked one does not hear of it.
  process.on('exit', tellEnd);
  const ended = new Promise<void>(resolve => {
    worker.once('exit', () => {
      process.off('exit', tellEnd);
      wake.close();
      resolve();
    });
  });
  worker.on('error', error => {
    reason = error.message;
  });
  return new Promise((resolve, reject) => {
    worker.on('message', (message: From | typeof READY) => {
      if (message !== READY) {
        if (!stopping) onMessage(message);
        return;
      }
      ready = true;
      resolve({
        post: message => {
          if (stopping) return;
          worker.postMessage(message);
          wake.wake();
        },
        stop() {
          if (!stopping) {
            tellEnd();
            // One that runs in circles does not look; it can be ended where it is.
            const late = setTimeout(() => void worker.terminate(), LATE);
            void ended.then(() => clearTimeout(late));
          }
          stopping = true;
          return ended;
        },
      });
    });
    worker.once('exit', () => {
      if (!ready) reject(new Error(reason));
      else if (!stopping) {
        stopping = true;
        onGone(reason);
      }
    });
  });
}

/** Within a thread: says that it is ready. */
export const sayReady = (port: MessagePort): void => port.postMessage(READY);

/** Within a thread: hands over all messages that wait; false when it is to end. */
export function fetchMessages<To>(
  port: MessagePort,
  { end }: ThreadData<unknown>,
  hear: (message: To) => void,
): boolean {
  while (Atomics.load(end, 0) === 0) {
    const received = receiveMessageOnPort(port) as { message: To } | undefined;
    if (received === undefined) return true;
    hear(received.message);
  }
  return false;
}
