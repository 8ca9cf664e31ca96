/**
 * What this manager tells GSLBs that poll it (docs/protocol.md, Polls): the scores of what it offers, its links, and the round trips to
 * other managers, which it measures from the first notice of them on.
 */
import type { Address } from '../sdk/wire/address.ts';
import { familyOf } from '../sdk/wire/address.ts';
import type { Offer } from '../sdk/wire/model.ts';
import { MESSAGE } from '../sdk/wire/numbers.ts';
import { formatPorts } from '../sdk/wire/ports.ts';
import type { Clock, DatagramSocket, Files, Log, Net, Random, Signer, Verify } from './host/ports.ts';
import type { Heard } from './notices/heard.ts';
import type { Trust } from './pki/trust.ts';
import { PollAnswerer } from './polls/answerer.ts';
import { Prober } from './polls/prober.ts';
import { LinkRates, type WatchedLink } from './polls/rates.ts';
import { farmScore } from './registry/score.ts';
import type { State } from './registry/state.ts';
import type { Table } from './registry/table.ts';

export interface ScoutsOptions {
  readonly host: {
    readonly clock: Clock;
    readonly random: Random;
    readonly net: Net;
    readonly files: Files;
    readonly log: Log;
    readonly verify: Verify;
  };
  readonly signer: Signer;
  readonly trust: () => Trust | undefined;
  readonly certificate: () => Uint8Array | undefined;
  readonly links: readonly WatchedLink[];
  /** Whether ways to others are measured: not where nobody asks for them. */
  readonly probes: boolean;
  readonly state: () => State;
  readonly offers: () => Table<string, Offer>;
}

export interface Scouts {
  /** A datagram at the port of anycast ARP; false: it is none of polls'. */
  receive(bytes: Uint8Array, source: Address, send: (bytes: Uint8Array) => void): boolean;
  /** Others are there, or gone: the way to them is measured. */
  heard(event: Heard): void;
  counters(): Readonly<Record<string, number>>;
  close(): void;
}

const ANY = { 4: '0.0.0.0' as Address, 6: '::' as Address };

/** Begins to look at the links; the sockets that probes leave by are opened when there is somebody to probe. */
export function createScouts({
  host,
  signer,
  trust,
  certificate,
  links,
  probes,
  state,
  offers,
}: ScoutsOptions): Scouts {
  const { clock, random, net, files, log, verify } = host;
  const rates = new LinkRates(clock, files, links);
  const sockets = new Map<4 | 6, DatagramSocket | undefined>();
  let closed = false;
  const open = async (family: 4 | 6): Promise<void> => {
    sockets.set(family, undefined);
    const complain = (sentence: string): void => log('debug', 'probe', { sentence });
    try {
      const socket = await net.datagram(
        { address: ANY[family], port: 0 },
        bytes => prober.receive(bytes),
        complain,
      );
      if (closed) socket.close();
      else sockets.set(family, socket);
    } catch (error) {
      complain((error as Error).message);
    }
  };
  const prober = new Prober({
    ...{ clock, random },
    thinnest: () => rates.thinnest,
    send(bytes, port, to) {
      const family = familyOf(to);
      if (!sockets.has(family)) void open(family);
      sockets.get(family)?.send(bytes, port, to);
    },
  });
  const answerer = new PollAnswerer({
    ...{ clock, random, signer, verify, trust, certificate, offers },
    score: offer => scoreOf(state(), offer),
    links: () => rates.told(),
    paths: () => prober.told(),
  });
  return {
    receive(bytes, source, send) {
      if (bytes[3] !== MESSAGE.poll && bytes[3] !== MESSAGE.probe) return false;
      answerer.receive(bytes, source, send);
      return true;
    },
    heard(event) {
      if (event.type === 'peer-gone') prober.forget(event.manager);
      else if (event.type === 'heard' && probes) {
        const target = { addresses: event.addresses, port: event.anycastPort };
        if (event.offers.length > 0 || prober.wants(event.manager)) prober.want(event.manager, target);
      }
    },
    counters: () => answerer.counters,
    close() {
      closed = true;
      rates.close();
      prober.close();
      for (const socket of sockets.values()) socket?.close();
    },
  };
}

/** The score of an offer as it is now. */
function scoreOf({ vips }: State, { name, vip, transport, protocol, ports }: Offer): number {
  const wanted = formatPorts(ports);
  const records = [...(vips.get(vip)?.values() ?? [])].filter(
    ({ spec }) =>
      spec.name === name &&
      spec.transport === transport &&
      spec.protocol === protocol &&
      formatPorts(spec.ports) === wanted,
  );
  return farmScore(records);
}
