/**
 * Which server a host on the wire is: by the addresses that servers registered with, and by what they were known as where they were
 * before (here, or at another manager that told of it). Brought up to date only when somebody asks.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import type { State } from '../registry/state.ts';
import { Table } from '../registry/table.ts';
import { hex } from './lease-view.ts';

type Part = Pick<State, 'servers' | 'elsewhere'>;

export class Roster {
  private readonly state: () => Part;
  private servers: Part['servers'] = Table.empty();
  private claims: Part['elsewhere']['byServer'] = Table.empty();
  private readonly byAddress = new Map<Address, ServerId>();
  private readonly byHost = { here: new Map<string, ServerId>(), elsewhere: new Map<string, ServerId>() };

  /** `state`: as it is now. */
  constructor(state: () => Part) {
    this.state = state;
  }

  /** Whose address this is (or was: a server that is lost keeps it until it is forgotten). */
  serverAt(address: Address): ServerId | undefined {
    this.refresh();
    return this.byAddress.get(address);
  }

  /** Which server was seen with one of these identifiers. */
  serverOf(identifiers: readonly Uint8Array[]): ServerId | undefined {
    this.refresh();
    for (const identifier of identifiers) {
      const key = hex(identifier);
      const server = this.byHost.here.get(key) ?? this.byHost.elsewhere.get(key);
      if (server !== undefined) return server;
    }
    return undefined;
  }

  /** Whether it is registered here, from this address, and connected. */
  isRegistered(server: ServerId, address: Address): boolean {
    const record = this.state().servers.get(server);
    return record?.session !== undefined && record.moved === undefined && record.addresses.includes(address);
  }

  /** Whether anything of it is registered here. */
  isHere(server: ServerId): boolean {
    return this.state().servers.has(server);
  }

  /** By what a server that is registered here is known already. */
  hostsOf(server: ServerId): readonly Uint8Array[] {
    return this.state().servers.get(server)?.hosts ?? [];
  }

  private refresh(): void {
    const { servers, elsewhere } = this.state();
    if (servers !== this.servers) {
      for (const { key, before, after } of servers.changesSince(this.servers)) {
        if (before?.addresses !== after?.addresses)
          move(this.byAddress, key, before?.addresses ?? [], after?.addresses ?? []);
        if (before?.hosts !== after?.hosts)
          move(this.byHost.here, key, (before?.hosts ?? []).map(hex), (after?.hosts ?? []).map(hex));
      }
      this.servers = servers;
    }
    if (elsewhere.byServer === this.claims) return;
    for (const { key, before, after } of elsewhere.byServer.changesSince(this.claims)) {
      const hosts = (claims: typeof before): string[] =>
        (claims ?? []).flatMap(claim => claim.hosts.map(hex));
      move(this.byHost.elsewhere, key, hosts(before), hosts(after));
    }
    this.claims = elsewhere.byServer;
  }
}

function move<Key>(
  index: Map<Key, ServerId>,
  server: ServerId,
  from: readonly Key[],
  to: readonly Key[],
): void {
  for (const key of from) if (index.get(key) === server) index.delete(key);
  for (const key of to) index.set(key, server);
}
