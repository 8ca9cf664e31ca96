/**
 * Threads whose loop blocks (datagram-loop.ts): started, posted to, and ended.
 */
import { type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { openWake } from './datagram-loop.ts';

/** The thread's side: what it was started with, and the messages that wait. */
export interface ThreadData<Start> {
  readonly start: Start;
  readonly wake: number;
}

export interface Thread<To> {
  post(message: To): void;
  /** Ends it; resolves when it has ended. */
  stop(): Promise<void>;
}

/** Posted last. */
const END = 'end';
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
  const data: ThreadData<Start> = { start, wake: wake.fd };
  const worker = new Worker(program, { workerData: data });
  let reason = 'it ended';
  let stopping = false;
  let ready = false;
  const ended = new Promise<void>(resolve => {
    worker.once('exit', () => {
      wake.close();
      resolve();
    });
  });
  worker.on('error', error => {
    reason = error.message;
  });
  const post = (message: To | typeof END): void => {
    worker.postMessage(message);
    wake.wake();
  };
  return new Promise((resolve, reject) => {
    worker.on('message', (message: From | typeof READY) => {
      if (message !== READY) {
        onMessage(message);
        return;
      }
      ready = true;
      resolve({
        post: message => {
          if (!stopping) post(message);
        },
        stop() {
          if (!stopping) post(END);
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

/** Within a thread: hands over all messages that wait; false when the end was among them. */
export function fetchMessages<To>(port: MessagePort, hear: (message: To) => void): boolean {
  for (;;) {
    const received = receiveMessageOnPort(port) as { message: To | typeof END } | undefined;
    if (received === undefined) return true;
    if (received.message === END) return false;
    hear(received.message as To);
  }
}
