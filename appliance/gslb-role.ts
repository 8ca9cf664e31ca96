/**
 * The role of a GSLB in this process: what it hears goes into the view, managers are polled, and the view is what DNS answers from.
 */
import { type Address, familyOf } from '../sdk/wire/address.ts';
import type { Query } from '../sdk/wire/answer.ts';
import type { ManagerId, Offer } from '../sdk/wire/model.ts';
import type { GslbConfig } from './config/config.ts';
import { serialStore } from './dns/serial.ts';
import { type DnsServer, startDns } from './dns/server.ts';
import type { TsigKey } from './dns/tsig.ts';
import type { View as DnsView } from './dns/view.ts';
import type { StartWorker } from './dns/workers.ts';
import { Gslb } from './gslb/gslb.ts';
import { managersFor } from './gslb/managers.ts';
import { type Overrides, overridesDocument, readOverrides, withOverride } from './gslb/overrides.ts';
import { Poller } from './gslb/poller.ts';
import { decisionRows, explainRows, linkRows, overrideRows, rttRows, siteRows } from './gslb/rows.ts';
import { DEFAULT_LIMITS } from './gslb/view.ts';
import {
  dnsSettings,
  fixedOf,
  type GslbHostConfig,
  ownAddresses,
  policiesOf,
  topologyOf,
  zonesOf,
} from './gslb-settings.ts';
import type {
  Clock,
  DatagramSocket,
  Hmac,
  Links,
  Log,
  Net,
  Random,
  Signer,
  Store,
  Verify,
} from './host/ports.ts';
import type { Heard } from './notices/heard.ts';
import type { GslbSight, Row } from './operator/views.ts';
import type { Trust } from './pki/trust.ts';
import type { Decision } from './registry/decision.ts';
import type { Table } from './registry/table.ts';

export interface GslbRoleOptions {
  readonly host: {
    readonly clock: Clock;
    readonly random: Random;
    readonly net: Net;
    readonly links: Pick<Links, 'list'>;
    readonly log: Log;
    readonly verify: Verify;
    /** Seconds of the wall clock; absent: DNS serial numbers count from the start of this process. */
    readonly seconds?: () => number;
    /** Keeps the DNS serial number, and what was overridden. */
    readonly store?: Store;
    readonly hmac: Hmac;
    /** How threads that answer DNS are started; absent: this one answers. */
    readonly dnsWorkers?: (options: DnsSettings) => StartWorker;
  };
  readonly config: GslbHostConfig;
  /** Text of the topology's file. */
  readonly topology: string | undefined;
  /** Where there are any, transfers of zones have to be signed with one. */
  readonly transferKeys: readonly TsigKey[];
  readonly signer: Signer;
  /** Whom to trust, and who this is, as they are now. */
  readonly mission: { readonly trust: Trust | undefined; readonly certificate: Uint8Array | undefined };
  /** Answers that are others, and what an operator has done: for the events. */
  readonly note?: (decision: Decision) => void;
}

/** What DNS is started with, in each thread. */
type DnsSettings = ReturnType<typeof dnsSettings> & { readonly keys: readonly TsigKey[] };

export interface GslbRole {
  heard(event: Heard): void;
  /** What this process's own manager offers. */
  own(offers: Table<string, Offer>): void;
  /** Goes on with other policies, and another topology. Throws, changing nothing, for a topology with faults. */
  reload(config: GslbConfig, topology: string | undefined): void;
  /** Sends the clients of these names there, until it is taken back (no targets). Throws a sentence for what cannot be. */
  override(match: string, targets: readonly string[]): readonly Row[];
  sight(about: { readonly name?: string; readonly client?: string }): GslbSight;
  /** Which managers a client is told to ask by anycast ARP. */
  managersFor(query: Query, client: Address): ReturnType<typeof managersFor>;
  counters(): Readonly<Record<'polls' | 'answers' | 'dns' | 'now', Readonly<Record<string, number>>>>;
  close(): Promise<void>;
}

/** What there is now, for metrics. */
const nowOf = ({ knows: { view }, watched, moving }: Gslb): Readonly<Record<string, number>> => ({
  managers: view.sites.size,
  silent: [...view.sites.values()].filter(({ silent }) => silent).length,
  names: view.names.size,
  offers: view.count,
  offersRefused: view.refused,
  ...{ watched, moving },
});

/** Reasons of an answer that is none, or not to be relied on. */
const BAD: ReadonlySet<string> = new Set(['none', 'no-such-name', 'last-known', 'nothing-serves']);
/** The document of the overrides. */
const OVERRIDES = 'overrides';
const ANY = { 4: '0.0.0.0' as Address, 6: '::' as Address };
const LOOPBACK = '127.0.0.1' as Address;

/** Starts it. Rejects when DNS cannot listen, or the topology has faults. */
export async function createGslbRole(options: GslbRoleOptions): Promise<GslbRole> {
  const { host, config, signer, mission } = options;
  const hasCertificate = (): boolean => mission.trust !== undefined && mission.certificate !== undefined;
  const { clock, random, net, log, verify } = host;
  const { note = () => {} } = options;
  const topology = topologyOf(options.topology);
  let overrides: Overrides = host.store?.read(OVERRIDES, readOverrides) ?? new Map();
  let dns: DnsServer | undefined;
  let waiting: DnsView | undefined;
  const gslb = new Gslb({
    ...{ clock, log, topology, policies: policiesOf(config.gslb), zones: zonesOf(config.gslb) },
    ...{ here: config.gslb.site, limits: DEFAULT_LIMITS, fixed: fixedOf(config, host.links) },
    overrides,
    publish(view, changed) {
      if (dns === undefined) waiting = view;
      else dns.publish(view, changed);
    },
    onChange({ name, place = 'elsewhere', from, to, reason }) {
      // Told of although nothing serves, or nobody is.
      const bad = BAD.has(reason.code);
      log(bad ? 'warning' : 'info', 'answer-changed', {
        name,
        clients: place,
        from,
        to,
        code: reason.code,
        sentence: reason.sentence,
      });
      const sentence = `${place}: ${from} -> ${to}: ${reason.sentence}`;
      note({ kind: 'answer-changed', name, reason: { code: reason.code, sentence } });
    },
  });
  const sockets = new Map<4 | 6, DatagramSocket>();
  const poller = new Poller({
    ...{ clock, random, signer, verify, log, interval: config.gslb.poll },
    trust: () => mission.trust ?? NOBODY,
    certificate: () => mission.certificate ?? new Uint8Array(0),
    send: (bytes, port, to) => sockets.get(familyOf(to))?.send(bytes, port, to),
    emit: event => gslb.take(event),
  });
  for (const family of [4, 6] as const)
    sockets.set(
      family,
      await net.datagram(
        { address: ANY[family], port: 0 },
        (bytes, from) => poller.receive(bytes, from),
        sentence => log('debug', 'poll', { sentence }),
      ),
    );
  const settings = { ...dnsSettings(config, random), keys: options.transferKeys };
  const startWorker = host.dnsWorkers?.(settings);
  const { workers, transfers, notify, zones } = config.gslb;
  dns = await startDns(
    {
      ...{ clock, random, net, log, hmac: host.hmac },
      seconds: host.seconds ?? (() => Math.floor(clock.now() / 1000)),
      ...(startWorker !== undefined && { startWorker }),
      ...(host.store !== undefined && { serials: serialStore(host.store, log) }),
    },
    { ...settings, workers, transfers, notify, zones },
  );
  if (waiting !== undefined) dns.publish(waiting);
  log('notice', 'gslb', { zones: config.gslb.zones, port: config.gslb.port, carrier: dns.carrier });

  let offered: Table<string, Offer> | undefined;
  return {
    managersFor: (query, client) => managersFor(query, client, gslb),
    heard(event) {
      gslb.take(event);
      if (event.type === 'peer-gone') poller.forget(event.manager);
      else if (event.type === 'heard' && hasCertificate())
        poller.want(event.manager, event.addresses, event.anycastPort);
    },
    own(offers) {
      if (offers === offered || (offered === undefined && offers.size === 0)) return;
      offered = offers;
      const addresses = ownAddresses(config);
      const { name, anycast, listen } = config;
      gslb.take({
        ...{ type: 'heard', manager: signer.id as ManagerId, name, addresses, tls: config.tls !== undefined },
        ...{ anycastPort: anycast.port, port: listen[0]!.port, bindings: [], gone: [], offersGone: [] },
        ...{ offers: [...offers.values()], complete: true },
      });
      if (hasCertificate()) poller.want(signer.id, [LOOPBACK], anycast.port);
    },
    reload(next, text) {
      gslb.configure(policiesOf(next), topologyOf(text));
    },
    override(match, targets) {
      const next = withOverride(overrides, match, targets, clock.wall());
      host.store?.write(OVERRIDES, overridesDocument(next));
      overrides = next;
      const sentence =
        targets.length > 0 ? `${match}: everybody to ${targets.join(', ')}` : `${match}: as policies say`;
      log('notice', 'override', { sentence });
      note({ kind: 'override', name: match, reason: { code: targets.length > 0 ? 'set' : 'off', sentence } });
      gslb.override(overrides);
      return overrideRows(overrides);
    },
    // Only what is looked at is put together.
    sight: ({ name, client }) => ({
      get sites() {
        return siteRows(gslb, clock.now());
      },
      get decisions() {
        return decisionRows(gslb);
      },
      get links() {
        return linkRows(gslb);
      },
      get rtt() {
        return rttRows(gslb);
      },
      get overrides() {
        return overrideRows(overrides);
      },
      get explain() {
        return name === undefined || client === undefined ? [] : explainRows(gslb, name, client);
      },
    }),
    counters: () => ({
      polls: poller.counters,
      answers: gslb.counters,
      now: nowOf(gslb),
      dns: {
        ...dns?.counts(),
        connections: dns?.connections ?? 0,
        workersEnded: dns?.workersEnded ?? 0,
      },
    }),
    async close() {
      poller.close();
      gslb.close();
      for (const socket of sockets.values()) socket.close();
      await dns?.close();
    },
  };
}

/** Where certificates count for nothing, nobody is a member. */
const NOBODY: Trust = {
  judge: () => ({ fault: { code: 'no-member', sentence: 'there are no certificates here' } }),
};
