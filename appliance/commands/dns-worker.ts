/**
 * Not a command for people, but what a thread of the DNS server runs, in the same bundle.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Address } from '../../sdk/wire/address.ts';
import type { AnswererOptions } from '../dns/answerer.ts';
import { Clerk, type FromClerk, type ToClerk } from '../dns/clerk.ts';
import type { StartWorker } from '../dns/workers.ts';
import { createClock } from '../host/clock.ts';
import { runDatagramLoop } from '../host/datagram-loop.ts';
import { hmac } from '../host/keys.ts';
import { createRandom } from '../host/random.ts';
import { fetchMessages, sayReady, startThread, type ThreadData } from '../host/threads.ts';

/** What a worker is started with. */
export interface DnsWorkerStart extends AnswererOptions {
  readonly addresses: readonly Address[];
  readonly port: number;
}

/** How the DNS server starts its workers: threads of the program `program`, which calls dnsWorker where it is not the main thread. */
export const dnsWorkers =
  (program: URL, start: DnsWorkerStart): StartWorker =>
  (onMessage, onGone) =>
    startThread<ToClerk, FromClerk, DnsWorkerStart>(program, start, onMessage, onGone);

/** Runs within a thread, until it is told to end. */
export function dnsWorker(): number {
  const port = parentPort;
  if (port === null) throw new Error('a DNS worker runs in a thread');
  const data = workerData as ThreadData<DnsWorkerStart>;
  const { start, wake } = data;
  const clerk = new Clerk(
    {
      clock: createClock(),
      random: createRandom(),
      hmac,
      seconds: () => Math.floor(Date.now() / 1000),
      post: message => port.postMessage(message),
    },
    start,
  );
  runDatagramLoop({
    addresses: start.addresses,
    port: start.port,
    wake,
    handler: clerk,
    onReady: () => sayReady(port),
    fetch: () => fetchMessages<ToClerk>(port, data, message => clerk.hear(message)),
  });
  return 0;
}
