/**
 * The GSLB as a chooser: its own code with the defaults of its configuration. Reports are averaged and made scores by the registry's formula,
 * managers answer real polls with them, with their links and with round trips that real probes measured; the view, the decision and
 * the TTL follow, and clients get the answers that DNS would keep. Only keys and certificates are not real: they cost time.
 */

import type { View as DnsView, Outcome } from '../../../appliance/dns/view.ts';
import { Gslb } from '../../../appliance/gslb/gslb.ts';
import { Poller } from '../../../appliance/gslb/poller.ts';
import { locate, readTopology, type Topology } from '../../../appliance/gslb/topology.ts';
import { DEFAULT_LIMITS } from '../../../appliance/gslb/view.ts';
import type { Random, Signer } from '../../../appliance/host/ports.ts';
import type { Trust } from '../../../appliance/pki/trust.ts';
import { PollAnswerer } from '../../../appliance/polls/answerer.ts';
import { Prober } from '../../../appliance/polls/prober.ts';
import { LinkRates } from '../../../appliance/polls/rates.ts';
import { offerKey } from '../../../appliance/polls/tag.ts';
import { averaged, counted, farmScore } from '../../../appliance/registry/score.ts';
import type { ServiceRecord } from '../../../appliance/registry/state.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import type { ManagerId, Offer } from '../../../sdk/wire/model.ts';
import { MESSAGE } from '../../../sdk/wire/numbers.ts';
import { decodePoll, encodePoll } from '../../../sdk/wire/polls.ts';
import { byDns } from './choosers.ts';
import type { Chooser, Network } from './network.ts';
import { CLIENTS, PLACES } from './world.ts';

const NAME = 'www.mission';
/** Default of `gslb.poll`, and of an agent's `report`, ms. */
const POLL = 1000;
const REPORT = 1000;
/** From the GSLB to the middle, one way, ms. */
const DELAY = 5;
const PORT = 9747;
const FROM = address('10.0.0.9');

export const managerAddress = (site: number): Address => address(`10.${site + 1}.255.1`);
export const clientAddress = (client: number): Address =>
  address(`10.${Math.floor(client / CLIENTS) + 1}.0.${(client % CLIENTS) * 3 + 7}`);
const identity = (site: number): ManagerId => String.fromCharCode(97 + site).repeat(64) as ManagerId;

/** Whom it says it is. */
const signerOf = (id: ManagerId): Signer => ({
  id,
  publicKey: new Uint8Array(44),
  sign: () => new Uint8Array(64),
});

/** A certificate is an identity's letter. */
const trust: Trust = {
  judge: der => ({
    member: {
      id: String.fromCharCode(der[0]!).repeat(64) as ManagerId,
      ...{ publicKey: new Uint8Array(44), roles: ['manager', 'gslb'] as const },
      ...{ uris: [], subject: '', serial: '1' },
    },
  }),
};
const verify = (): boolean => true;

/** Starts managers and the GSLB by the network's clock; gives how clients choose by it. */
export function byGslb(network: Network, random: Random): Chooser {
  const { clock, world } = network;
  let published: DnsView | undefined;
  const kept = new Map<string, Outcome>();
  const topology = topologyOf(network);
  const gslb = new Gslb({
    ...{ clock, log: () => {}, zones: [], policies: [], topology, here: undefined, limits: DEFAULT_LIMITS },
    publish(view, changed) {
      published = view;
      if (changed === undefined || changed.includes(NAME)) kept.clear();
    },
  });
  const own = signerOf('f'.repeat(64) as ManagerId);
  const managers = world.sites.map((_, site) => new Manager(network, site, random));
  const poller = new Poller({
    ...{ clock, random, signer: own, verify, interval: POLL, trust: () => trust },
    certificate: () => Uint8Array.of(102, ...new Uint8Array(400)),
    emit: event => gslb.take(event),
    send(bytes, _port, to) {
      const site = world.sites.findIndex((_one, at) => managerAddress(at) === to);
      const way = DELAY + world.sites[site]!.delay;
      clock.after('poll there', way + network.in[site]!.wait(clock.now()), () =>
        managers[site]!.polled(bytes, reply =>
          clock.after('poll back', way + network.out[site]!.wait(clock.now()), () =>
            poller.receive(reply, to),
          ),
        ),
      );
    },
  });
  for (const [site, manager] of managers.entries()) {
    gslb.take({
      ...{ type: 'heard', manager: identity(site), name: world.sites[site]!.name, tls: true, complete: true },
      ...{ addresses: [managerAddress(site)], anycastPort: PORT, port: 9746, bindings: [], gone: [] },
      ...{ offers: [manager.offer], offersGone: [] },
    });
    poller.want(identity(site), [managerAddress(site)], PORT);
  }
  const places = Array.from({ length: world.sites.length * CLIENTS }, (_, client) => {
    const { site, slot } = locate(topology, clientAddress(client));
    return `${site}#${slot}`;
  });
  clock.advanceSync(10);
  return byDns(places.length, client => {
    const place = places[client]!;
    let outcome = kept.get(place);
    if (outcome === undefined) {
      outcome = published!.answersFor({ name: NAME, type: 'A' }, place);
      kept.set(place, outcome);
    }
    const [first] = outcome.records;
    if (first?.type !== 'A') throw new Error(`no address for ${place}`);
    return { site: Number(first.address.split('.')[1]) - 1, ttl: outcome.ttl };
  });
}

function topologyOf({ world }: Network): Topology {
  const sites = Object.fromEntries(
    world.sites.map(({ name }, site) => [name, { clients: [`10.${site + 1}.0.0/24`], managers: [name] }]),
  );
  const read = readTopology(JSON.stringify({ sites }));
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.topology;
}

/** A site's manager, as far as GSLBs see it. */
class Manager {
  readonly offer: Offer;
  private readonly network: Network;
  private readonly site: number;
  private readonly answerer: PollAnswerer;
  private records: readonly ServiceRecord[];

  constructor(network: Network, site: number, random: Random) {
    const { clock, world } = network;
    const { servers, name, rate } = world.sites[site]!;
    this.network = network;
    this.site = site;
    this.records = Array.from({ length: servers }, () => recordOf(undefined, 0));
    const vip = address(`203.${site + 1}.0.1`);
    this.offer = {
      ...{
        name: NAME,
        vip,
        transport: 'tcp',
        ports: [{ first: 80, last: 80 }],
        protocol: 'http',
        mode: 'nat',
      },
      ...{ score: farmScore(this.records), servers },
    };
    const prober = new Prober({ clock, random, send: (bytes, _port, to) => this.probe(prober, bytes, to) });
    for (const other of world.sites.keys())
      if (other !== site) prober.want(identity(other), { addresses: [managerAddress(other)], port: PORT });
    const read = (): string => this.counters();
    const links = new LinkRates(clock, { read }, [{ interface: `wan-${name}`, rate }]);
    this.answerer = new PollAnswerer({
      ...{ clock, random, signer: signerOf(identity(site)), verify, trust: () => trust },
      certificate: () => Uint8Array.of(97 + site, ...new Uint8Array(400)),
      offers: () => table,
      score: () => farmScore(this.records),
      links: () => links.told(),
      paths: () => prober.told(),
    });
    const table = Table.from([[offerKey(this.offer), this.offer] as const]);
    const report = (): void => {
      const connections = network.farms[site]!.connections / servers;
      this.records = this.records.map(record => recordOf(record.report, connections));
      clock.after('report', REPORT, report);
    };
    clock.after('report', random.uniform() * REPORT, report);
  }

  polled(bytes: Uint8Array, send: (reply: Uint8Array) => void): void {
    this.answerer.receive(bytes, FROM, send);
  }

  /** A probe to another site, and its echo. */
  private probe(prober: Prober, bytes: Uint8Array, to: Address): void {
    const { clock, world } = this.network;
    const message = decodePoll(bytes);
    if (bytes[3] !== MESSAGE.probe || message.type !== 'probe') throw new Error('no probe');
    const other = world.sites.findIndex((_, at) => managerAddress(at) === to);
    if (this.network.lossy(this.site, other, clock.now())) return;
    const trip = this.network.roundTrip(this.site, other, clock.now());
    clock.after('echo', trip, () => prober.receive(encodePoll({ type: 'echo', nonce: message.nonce })));
  }

  /** As /proc/net/dev has it. */
  private counters(): string {
    const { clock, world } = this.network;
    const bytes = [this.network.in[this.site]!, this.network.out[this.site]!].map(pipe => {
      pipe.share(pipe.background, clock.now());
      return Math.floor(pipe.carried / 8);
    });
    return `wan-${world.sites[this.site]!.name}: ${bytes[0]} 0 0 0 0 0 0 0 ${bytes[1]} 0 0 0 0 0 0 0\n`;
  }
}

/** A healthy service of weight 100 whose server has reported so many connections; only what the score reads. */
function recordOf(before: ServiceRecord['report'], connections: number): ServiceRecord {
  const average =
    before === undefined
      ? connections
      : averaged(before.average, counted(before.connections, PLACES), REPORT);
  const record = {
    ...{ state: 'up', verdict: { outcome: 'pass' }, spec: { weight: 100, capacity: PLACES } },
    report: { service: 1, state: 'up', connections, load: 0, at: 0, average },
  };
  return record as unknown as ServiceRecord;
}
