/** Managers that tell one another notices in virtual time, with keys of their own and certificates that are nothing but their keys. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { createSigner, verify } from '../../../appliance/host/keys.ts';
import type { Signer } from '../../../appliance/host/ports.ts';
import type { Heard } from '../../../appliance/notices/heard.ts';
import { createNotices } from '../../../appliance/notices/notices.ts';
import type { Notices, NoticesConfig } from '../../../appliance/notices/options.ts';
import type { Announced } from '../../../appliance/notifier/announced.ts';
import type { Trust } from '../../../appliance/pki/trust.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import type { Binding, ManagerId, Offer, ServerId } from '../../../sdk/wire/model.ts';
import type { VirtualOspfd } from '../../support/virtual/ospfd.ts';
import { type VirtualHost, type VirtualWorld, virtualWorld } from '../../support/virtual.ts';

export const GROUP = address('239.255.79.47');
export const PORT = 9748;

const config: NoticesConfig = {
  port: PORT,
  groups: [GROUP],
  interfaces: ['core0'],
  ttl: 32,
  peers: [],
  refresh: 1000,
  limits: { peers: 16, bindings: 20_000 },
};

export const newSigner = (): Signer =>
  createSigner(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());

/** A certificate of the tests' authority is the holder's key and its roles. */
export const certificateOf = (signer: Signer, role = 'manager'): Uint8Array =>
  Uint8Array.from([...signer.publicKey, ...new TextEncoder().encode(`mission ${role}`.padEnd(400))]);

export const trust = (revoked: ReadonlySet<string> = new Set()): Trust => ({
  judge(der) {
    const publicKey = der.slice(0, 44);
    const [mission, role] = new TextDecoder().decode(der.subarray(44)).trim().split(' ');
    const id = createHash('sha256').update(publicKey).digest('hex') as ManagerId;
    if (mission !== 'mission') return { fault: { code: 'not-issued', sentence: 'not of this mission' } };
    if (revoked.has(id)) return { fault: { code: 'revoked', sentence: 'it was revoked' } };
    return {
      member: { id, publicKey, roles: [role as 'manager'], uris: [], subject: id.slice(0, 8), serial: '1' },
    };
  },
});

export const serverId = (number: number): ServerId => number.toString(16).padStart(64, '0') as ServerId;
export const vip = (number: number): Address => address(`10.255.${number >> 8}.${number & 255}`);

export const binding = (number: number, changes: Partial<Binding> = {}): Binding => ({
  vip: vip(number),
  server: serverId(number),
  epoch: 1,
  shared: false,
  hosts: [],
  ...changes,
});

export const offer = (number: number, changes: Partial<Offer> = {}): Offer => ({
  name: `s${number}.example`,
  vip: vip(number),
  transport: 'tcp',
  ports: [{ first: 80, last: 80 }],
  protocol: 'http',
  mode: 'nat',
  score: 500,
  servers: 1,
  ...changes,
});

export const announced = (bindings: readonly Binding[], offers: readonly Offer[] = []): Announced => ({
  bindings: Table.from(bindings.map(one => [`${one.vip}|${one.server}`, one] as const)),
  offers: Table.from(offers.map(one => [`${one.name}|${one.vip}`, one] as const)),
});

/** A manager of the tests, and what it has heard. */
export class Manager {
  readonly name: string;
  readonly host: VirtualHost;
  readonly world: VirtualWorld;
  readonly signer: Signer;
  readonly heard: Heard[] = [];
  /** VIP|server → epoch, by manager, as a registry would keep it. */
  readonly known = new Map<ManagerId, Map<string, number>>();
  readonly silent = new Set<ManagerId>();
  /** What was said to be wrong, each time that it was another. */
  readonly problems: (readonly string[])[] = [];
  boot: number;
  notices!: Notices;
  private wanted: Announced = announced([]);

  constructor(world: VirtualWorld, name: string, at: string, signer = newSigner(), boot = 1) {
    this.world = world;
    this.name = name;
    this.host = world.network.host(name, at);
    this.signer = signer;
    this.boot = boot;
  }

  async start(
    changes: Partial<NoticesConfig> = {},
    {
      certificate = certificateOf(this.signer),
      judge = trust(),
      ospf,
    }: { certificate?: Uint8Array; judge?: Trust; ospf?: VirtualOspfd } = {},
  ): Promise<this> {
    this.notices = await createNotices({
      ...{ clock: this.world.clock, random: this.world.random, log: this.world.log },
      ...{ net: ospf?.net ?? this.host.net, ...(ospf && { openVty: ospf.openVty }) },
      ...{ verify, signer: this.signer, certificate, boot: this.boot, trust: judge },
      config: { ...config, ...changes },
      self: () => ({
        name: this.name,
        addresses: [this.host.addresses[0]!],
        anycastPort: 9747,
        port: 9746,
        tls: true,
      }),
      emit: event => this.take(event),
      onProblems: sentences => {
        if (JSON.stringify(sentences) !== JSON.stringify(this.problems.at(-1))) this.problems.push(sentences);
      },
    });
    this.notices.announce(this.wanted);
    return this;
  }

  /** Its process is gone without a word, and another takes its place. */
  async restart(boot = this.boot + 1, changes: Partial<NoticesConfig> = {}): Promise<this> {
    this.notices.close(false);
    this.host.kill();
    this.boot = boot;
    this.known.clear();
    this.heard.length = 0;
    return this.start(changes);
  }

  announce(bindings: readonly Binding[], offers: readonly Offer[] = []): void {
    this.wanted = announced(bindings, offers);
    this.notices.announce(this.wanted);
  }

  /** What it believes the other to carry, as sorted `vip epoch`. */
  believes(other: Manager): string[] {
    const entries = this.known.get(other.signer.id) ?? new Map<string, number>();
    return [...entries].map(([key, epoch]) => `${key.split('|')[0]} ${epoch}`).sort();
  }

  private take(event: Heard): void {
    this.heard.push(event);
    if (event.type === 'peer-gone') this.known.delete(event.manager);
    else if (event.type === 'peer-silent') this.silent.add(event.manager);
    else {
      this.silent.delete(event.manager);
      const entries =
        (event.complete ? undefined : this.known.get(event.manager)) ?? new Map<string, number>();
      this.known.set(event.manager, entries);
      for (const { vip: at, server } of event.gone) entries.delete(`${at}|${server}`);
      for (const { vip: at, server, epoch } of event.bindings) entries.set(`${at}|${server}`, epoch);
    }
  }
}

/** Two managers that hear one another. */
export async function pair(
  options: Parameters<typeof virtualWorld>[0] = {},
): Promise<{ world: VirtualWorld; a: Manager; b: Manager }> {
  const world = virtualWorld(options);
  const a = await new Manager(world, 'a', '10.0.0.1').start();
  const b = await new Manager(world, 'b', '10.0.0.2').start();
  return { world, a, b };
}

export const wanted = (numbers: readonly number[], epoch = 1): string[] =>
  numbers.map(number => `${vip(number)} ${epoch}`).sort();
