/** GSLBs and managers as hosts of a virtual network: the role with its notices, its polls and its DNS, and managers that answer them. */
import { loadConfig } from '../../../appliance/config/load.ts';
import { createGslbRole, type GslbRole } from '../../../appliance/gslb-role.ts';
import { hmac, verify } from '../../../appliance/host/keys.ts';
import type { Signer } from '../../../appliance/host/ports.ts';
import { createNotices } from '../../../appliance/notices/notices.ts';
import type { Notices } from '../../../appliance/notices/options.ts';
import { PollAnswerer } from '../../../appliance/polls/answerer.ts';
import { offerKey } from '../../../appliance/polls/tag.ts';
import type { Decision } from '../../../appliance/registry/decision.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { Offer } from '../../../sdk/wire/model.ts';
import type { ToldPath } from '../../../sdk/wire/poll-messages.ts';
import type { VirtualHost, VirtualWorld } from '../../support/virtual.ts';
import { certificateOf, GROUP, Manager, newSigner, PORT, trust } from '../notices/world.ts';

const ANY = address('0.0.0.0');

/** A manager that tells of its offers, and answers polls of them. */
export class PolledManager extends Manager {
  /** Round trips that it tells of. */
  paths: readonly ToldPath[] = [];
  private offers: Table<string, Offer> = Table.empty();

  /** Tells of these, and of no others any more. */
  offer(offers: readonly Offer[]): void {
    this.offers = Table.from(offers.map(one => [offerKey(one), one] as const));
    this.announce([], offers);
  }

  async answerPolls(): Promise<this> {
    const { clock, random } = this.world;
    const answerer = new PollAnswerer({
      ...{ clock, random, signer: this.signer, verify },
      trust: () => trust(),
      certificate: () => certificateOf(this.signer),
      offers: () => this.offers,
      score: one => this.offers.get(offerKey(one))?.score ?? 0,
      links: () => [],
      paths: () => this.paths,
    });
    const socket = await this.host.net.datagram(
      { address: ANY, port: 9747 },
      (bytes, from, port) => answerer.receive(bytes, from, reply => socket.send(reply, port, from)),
      () => {},
    );
    return this;
  }
}

export interface GslbHost {
  readonly host: VirtualHost;
  readonly role: GslbRole;
  readonly notices: Notices;
  readonly signer: Signer;
  /** For the events. */
  readonly noted: readonly Decision[];
  close(): Promise<void>;
}

/** Starts a GSLB of the zone `example`; `settings`: more of its `gslb`. */
export async function startGslb(
  world: VirtualWorld,
  name: string,
  at: string,
  settings: object = {},
  topology: object = { sites: {} },
  peers: readonly string[] = [],
): Promise<GslbHost> {
  const loaded = loadConfig(
    JSON.stringify({
      ...{ name, tls: { ca: 'a', certificate: 'b', key: 'c' } },
      gslb: { zones: ['example'], workers: 0, ...settings },
    }),
  );
  if ('faults' in loaded) throw new Error(JSON.stringify(loaded.faults));
  const { config } = loaded;
  const host = world.network.host(name, at);
  const { clock, random, log } = world;
  const signer = newSigner();
  const certificate = certificateOf(signer, 'gslb');
  const noted: Decision[] = [];
  const role = await createGslbRole({
    host: { clock, random, log, net: host.net, verify, hmac, links: { list: () => [] } },
    config: { ...config, gslb: config.gslb! },
    ...{ topology: JSON.stringify(topology), signer, mission: { trust: trust(), certificate } },
    transferKeys: [],
    note: decision => void noted.push(decision),
  });
  const notices = await createNotices({
    ...{ clock, random, log, net: host.net, verify, signer, certificate, boot: 1, trust: trust() },
    config: {
      ...{
        port: PORT,
        groups: [GROUP],
        interfaces: peers.length > 0 ? [] : ['core0'],
        ttl: 32,
        refresh: 1000,
      },
      peers: peers.map(text => ({ address: address(text), port: PORT })),
      limits: { peers: 16, bindings: 20_000 },
    },
    self: () => ({ name, addresses: [address(at)], anycastPort: 9747, port: 9746, tls: true }),
    emit: event => role.heard(event),
  });
  return {
    ...{ host, role, notices, signer, noted },
    async close() {
      notices.close(false);
      await role.close();
    },
  };
}
