/**
 * Notices: what managers tell one another, and GSLBs, of who lives where (docs/protocol.md, Notices). Puts the two halves and their
 * carrier together.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { WireError } from '../../sdk/wire/errors.ts';
import { HEADER } from '../../sdk/wire/header.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import { decodeNotice, REPAIR_SIZE } from '../../sdk/wire/notices.ts';
import { Flood } from '../flooding/flood.ts';
import type { Millis } from '../host/ports.ts';
import { sameBytes } from '../notifier/alike.ts';
import { Counters } from '../notifier/counters.ts';
import { Notifier } from '../notifier/notifier.ts';
import type { Trust } from '../pki/trust.ts';
import { openCarrier } from './carrier.ts';
import { Gate } from './gate.ts';
import type { Kept } from './kept.ts';
import type { Notices, NoticesOptions } from './options.ts';
import { Receiver } from './receiver.ts';

/** Longest datagram that is looked at; a sender keeps to REPAIR_SIZE. */
const LONGEST = 4096;
/** What a repair and its answer have besides a certificate. */
const AROUND = 360;

/** Starts to listen and to tell. Rejects when the port is taken, or the certificate is too long to be shown. */
export async function createNotices(options: NoticesOptions): Promise<Notices> {
  const { clock, log, signer, certificate, config } = options;
  if (certificate.length > REPAIR_SIZE - AROUND)
    throw new Error(
      `the certificate is ${certificate.length} bytes long, and notices carry at most ${REPAIR_SIZE - AROUND}: issue one with fewer names`,
    );
  const counters = new Counters();
  const gate = new Gate(clock, log, () => false, counters);
  let { trust } = options;
  const speaks = isManager(trust, certificate);
  let halves: { readonly notifier: Notifier; readonly receiver: Receiver } | undefined;

  const carrier = await openCarrier(options, (bytes, address, port) => {
    if (halves === undefined) return;
    if (bytes.length > LONGEST) {
      gate.refuse('too-long', address);
      return;
    }
    try {
      const message = decodeNotice(bytes);
      if (message.type !== 'repair') halves.receiver.hear(message, bytes, address);
      // Our own question to everybody comes back to us.
      else if (speaks && !sameBytes(message.certificate, certificate))
        halves.notifier.repair(message, bytes, address, port);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      gate.refuse('malformed', address, { sentence: error.message });
    }
  });
  const flood = openFlood();
  const both = { ...options, counters, tell: carrier.tell, send: carrier.send };
  const notifier = new Notifier({
    ...both,
    tell: speaks ? carrier.tell : () => {},
    trust: () => trust,
    refresh: config.refresh,
    medium: flood && speaks ? mediumOf(flood, config.ospf!.refresh) : undefined,
  });
  const recall = flood && ((manager: ManagerId) => flood.saidBy(manager).map(keptOf));
  halves = { notifier, receiver: new Receiver({ ...both, ...(recall && { recall }) }) };
  log('info', 'notices', {
    manager: signer.id,
    boot: options.boot,
    interfaces: config.interfaces,
    peers: config.peers.length,
    ...(config.ospf && { ospf: config.ospf.opaqueType }),
  });

  /** What comes by OSPF is heard like a datagram, but that it may be looked up again. */
  function openFlood(): Flood | undefined {
    const { ospf } = config;
    if (ospf === undefined || options.openVty === undefined) return undefined;
    return new Flood({
      ...{ ...options, openVty: options.openVty, config: ospf, speaks },
      count: name => counters.add(name),
      onUp: () => halves?.notifier.publication?.up(),
      onDown: () => halves?.notifier.publication?.down(),
      onProblem: problem => options.onProblems?.(problem === undefined ? [] : [problem]),
      onMessage(data, router) {
        try {
          const kept = keptOf({ data, router });
          halves?.receiver.hear(kept.message, kept.bytes, router, 'lsa');
          return kept.message.manager;
        } catch (error) {
          if (!(error instanceof WireError)) throw error;
          gate.refuse('malformed', router, { sentence: error.message });
          return undefined;
        }
      },
      onReach: (speaker, reachable) => halves?.receiver.reach(speaker as ManagerId, reachable),
    });
  }

  return {
    announce: wanted => notifier.announce(wanted),
    setTrust(next) {
      trust = next;
      halves?.receiver.setTrust(next);
    },
    status: () => halves!.receiver.status(),
    counters: () => counters.all(),
    close(leave) {
      notifier.close(leave);
      halves?.receiver.close();
      halves = undefined;
      carrier.close();
      flood?.close();
    },
  };
}

/** One that is a GSLB alone only listens: nobody would believe it. */
function isManager(trust: Trust, certificate: Uint8Array): boolean {
  const judged = trust.judge(certificate);
  return (
    'fault' in judged || judged.member.roles.includes('manager') || !judged.member.roles.includes('gslb')
  );
}

const mediumOf = (flood: Flood, refresh: Millis) => ({
  ...{ refresh, put: (bytes: Uint8Array) => flood.put(bytes), remove: (id: number) => flood.remove(id) },
  replace: (id: number, bytes: Uint8Array) => flood.replace(id, bytes),
  get up() {
    return flood.up;
  },
});

/** The message in an LSA, which may have zeros behind it. Throws WireError. */
function keptOf({ data, router }: { readonly data: Uint8Array; readonly router: Address }): Kept {
  const length = HEADER + (((data[4] ?? 0) << 8) | (data[5] ?? 0));
  const bytes = data.length - length < ALIGNED ? data.subarray(0, length) : data;
  const message = decodeNotice(bytes);
  if (message.type === 'repair') throw new WireError('malformed', 'a repair in an LSA', { offset: 0 });
  return { message, bytes, from: router };
}

/** LSAs are filled up to a multiple of this (RFC 5250 §3). */
const ALIGNED = 4;
