/**
 * Managers with services, as a GSLB sees them, many in one process: `node bench-managers.mjs JSON`. Each has an address, a key and a certificate
 * of its own, tells real signed notices to the GSLB, answers its repairs, and its polls. Says `telling` when all have begun.
 */
import { readFileSync } from 'node:fs';
import { derOf, inspectorOf } from '../../../appliance/host/certificates.ts';
import { createClock } from '../../../appliance/host/clock.ts';
import { createSigner, identify, verify } from '../../../appliance/host/keys.ts';
import { createNet } from '../../../appliance/host/net.ts';
import type { Net } from '../../../appliance/host/ports.ts';
import { createRandom } from '../../../appliance/host/random.ts';
import { createNotices } from '../../../appliance/notices/notices.ts';
import { trustOf } from '../../../appliance/pki/trust.ts';
import { PollAnswerer } from '../../../appliance/polls/answerer.ts';
import { offerKey } from '../../../appliance/polls/tag.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import { WELL_KNOWN } from '../../../sdk/wire/messages.ts';
import type { Offer } from '../../../sdk/wire/model.ts';
import { addressOf, type ManagersOptions, nameOfService } from '../gslb/fleet.ts';
import type { Identity } from '../gslb/mission.ts';
import { say } from './commands.ts';

const ANYCAST = WELL_KNOWN.anycastPort;
const NOTICES = WELL_KNOWN.noticePort;

const clock = createClock();
const random = createRandom();

/** The network as one of this host's addresses sees it. */
const netAt = (own: Address): Net => {
  const net = createNet();
  return { ...net, datagram: (at, ...rest) => net.datagram({ ...at, address: own }, ...rest) };
};

const offersOf = (manager: number, count: number): Table<string, Offer> =>
  Table.from(
    Array.from({ length: count }, (_, service): readonly [string, Offer] => {
      const offer: Offer = {
        name: nameOfService(manager, service),
        vip: address(`10.${64 + (manager >> 2)}.${((manager & 3) << 6) | (service >> 8)}.${service & 255}`),
        ...{ transport: 'tcp', ports: [{ first: 80, last: 80 }], protocol: 'http', mode: 'nat' },
        ...{ score: 500 + ((service * 37) % 450), servers: 2, weight: 200 },
      };
      return [offerKey(offer), offer];
    }),
  );

async function start(
  manager: number,
  { ca, certificate, key }: Identity,
  options: ManagersOptions,
): Promise<void> {
  const own = addressOf(manager);
  const net = netAt(own);
  const signer = createSigner(readFileSync(key, 'utf8'));
  const der = derOf(readFileSync(certificate, 'utf8'));
  const inspect = inspectorOf(readFileSync(ca, 'utf8'));
  const trust = trustOf({
    ...{ inspect, identify, revoked: new Set<string>(), validity: 'ignore' },
    today: () => new Date(),
  });
  const offers = offersOf(manager, options.services);
  const answerer = new PollAnswerer({
    ...{ clock, random, signer, verify, trust: () => trust, certificate: () => der },
    ...{ offers: () => offers, score: offer => offer.score, links: () => [], paths: () => [] },
  });
  const socket = await net.datagram(
    { address: own, port: ANYCAST },
    (bytes, from, port) => answerer.receive(bytes, from, reply => socket.send(reply, port, from)),
    () => {},
  );
  const notices = await createNotices({
    ...{
      clock,
      random,
      net,
      verify,
      signer,
      certificate: der,
      boot: 1,
      trust,
      log: () => {},
      emit: () => {},
    },
    config: {
      ...{ port: NOTICES, groups: [], interfaces: [], ttl: 32, refresh: 1000 },
      peers: [{ address: address(options.gslb), port: NOTICES }],
      limits: { peers: 16, bindings: 1000 },
    },
    self: () => ({ name: `m${manager}`, addresses: [own], anycastPort: ANYCAST, port: 9746, tls: true }),
  });
  notices.announce({ bindings: Table.empty(), offers });
}

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '{}') as ManagersOptions;
  for (const [manager, identity] of options.identities.entries()) await start(manager, identity, options);
  say('telling');
  process.stdin.on('end', () => process.exit(0)).resume();
}

await main();
