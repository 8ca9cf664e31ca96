/**
 * The authoritative DNS server: UDP by workers or by Node's own sockets, TCP, transfers and NOTIFY, over one view that is published to it.
 */
import type { Address, Prefix } from '../../sdk/wire/address.ts';
import type { Clock, DatagramSocket, Hmac, Log, Net, Random } from '../host/ports.ts';
import type { AnswererOptions } from './answerer.ts';
import { Authority } from './authority.ts';
import { type DnsCounts, noCounts } from './counters.ts';
import { Desk } from './desk.ts';
import { Notifier, type Secondary } from './notify.ts';
import { openPlain } from './plain.ts';
import { recall } from './recall.ts';
import type { SerialStore } from './serial.ts';
import { STREAM_LIMITS, type StreamLimits, StreamServer } from './streams.ts';
import type { View } from './view.ts';
import { type StartWorker, WorkerPool } from './workers.ts';

export interface DnsOptions extends AnswererOptions {
  /** Where it listens; `::` is both families. */
  readonly addresses: readonly Address[];
  readonly port: number;
  /** Threads that answer datagrams; 0: Node's own sockets in this one. */
  readonly workers: number;
  /** Who may transfer zones; where there are keys, only with a signature by one of them. */
  readonly transfers: readonly Prefix[];
  /** Zones that secondaries are asked for when the serial number is not known. */
  readonly zones: readonly string[];
  /** Who is told of changes. */
  readonly notify: readonly Secondary[];
  readonly streams?: StreamLimits;
}

export interface DnsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  readonly log: Log;
  readonly hmac: Hmac;
  /** Seconds of the wall clock: for serial numbers and cookies. */
  readonly seconds: () => number;
  /** Where the serial number is kept; absent: nowhere, and secondaries are asked for it. */
  readonly serials?: SerialStore;
  /** How workers are started; they bind the addresses themselves. Absent: there are none. */
  readonly startWorker?: StartWorker;
}

export interface DnsServer {
  /** As Authority.publish: what is answered from now on. */
  publish(view: View, changed?: Iterable<string>): boolean;
  /** What is answered from. */
  readonly view: View;
  /** Serial number of the zones. */
  readonly serial: number;
  /** UDP and TCP together. The workers' are of the last time that was asked. */
  counts(): DnsCounts;
  /** How often a worker has ended by itself, and was started again. */
  readonly workersEnded: number;
  /** TCP connections that are open. */
  readonly connections: number;
  /** How datagrams are answered. */
  readonly carrier: 'workers' | 'plain';
  close(): Promise<void>;
}

/** Starts it. Rejects when an address cannot be bound: for TCP, or for UDP by neither way. */
export async function startDns(deps: DnsDeps, options: DnsOptions): Promise<DnsServer> {
  const { clock, random, net, log, hmac, seconds } = deps;
  const authority = new Authority({ log, seconds, ...(deps.serials && { serials: deps.serials }) });
  const desk = new Desk(
    {
      clock,
      random,
      hmac,
      seconds,
      ask: ({ name }, { type }, _number, place) => authority.finish(name, type, place),
    },
    options,
  );
  authority.subscribe(update => desk.update(update));
  const notifier = new Notifier({ clock, random, net, log, authority }, options.notify);
  const streams = new StreamServer({
    clock,
    net,
    authority,
    desk,
    secondaries: () => options.transfers,
    signed: (options.keys ?? []).length > 0,
    seconds,
    limits: options.streams ?? STREAM_LIMITS,
    onTransfer: (zone, to, allowed) =>
      log(allowed ? 'info' : 'warning', allowed ? 'dns-transfer' : 'dns-transfer-refused', { zone, to }),
  });
  const sockets: DatagramSocket[] = [];
  let pool: WorkerPool | undefined;
  let endRecall: (() => void) | undefined;
  const close = async (): Promise<void> => {
    endRecall?.();
    notifier.close();
    streams.close();
    for (const socket of sockets.splice(0)) socket.close();
    await pool?.close();
  };
  /** Serial numbers that are not known here are known to the secondaries. */
  const remember = async (): Promise<void> => {
    if (authority.remembers || options.notify.length === 0) return;
    const onSerial = (serial: number, from: Address): void => {
      if (!authority.pass(serial)) return;
      log('notice', 'dns-serial-recalled', { secondary: from, theirs: serial, ours: authority.serial });
      notifier.changed();
    };
    endRecall = await recall({ clock, random, net, onSerial }, options.zones, options.notify);
  };
  const open = async (): Promise<void> => {
    for (const address of options.addresses) await streams.listen(address, options.port);
    await notifier.open();
    await remember();
    if (deps.startWorker !== undefined && options.workers > 0) {
      pool = new WorkerPool({ clock, log, authority }, deps.startWorker);
      try {
        await pool.open(options.workers);
        return;
      } catch (error) {
        log('warning', 'dns-workers-unavailable', { reason: (error as Error).message });
        await pool.close();
        pool = undefined;
      }
    }
    for (const address of plainAddresses(options.addresses))
      sockets.push(
        await openPlain(net, desk, address, options.port, error => log('warning', 'dns-socket', { error })),
      );
  };
  try {
    await open();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    publish(view, changed) {
      const fresh = authority.publish(view, changed);
      if (fresh) notifier.changed();
      return fresh;
    },
    get view() {
      return authority.view;
    },
    get serial() {
      return authority.serial;
    },
    counts() {
      const sum = pool?.counts() ?? noCounts();
      for (const field of Object.keys(sum) as (keyof DnsCounts)[])
        sum[field] += desk.answerer.counters[field];
      return sum;
    },
    get workersEnded() {
      return pool?.ended ?? 0;
    },
    get connections() {
      return streams.size;
    },
    carrier: pool === undefined ? 'plain' : 'workers',
    close,
  };
}

/** Node's own sockets are of one family each. */
const plainAddresses = (addresses: readonly Address[]): readonly Address[] =>
  addresses.includes('::' as Address) && !addresses.includes('0.0.0.0' as Address)
    ? [...addresses, '0.0.0.0' as Address]
    : addresses;
