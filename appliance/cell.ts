/**
 * This manager's cell: the hosts that DHCP shows on its access links, and, where the configuration asks for it, the DHCP itself.
 */
import type { Address } from '../sdk/wire/address.ts';
import type { Config } from './config/config.ts';
import { createDhcp, type Dhcp } from './dhcp/dnsmasq.ts';
import type { Clock, Exec, Files, Links, Log } from './host/ports.ts';
import type { Heard } from './notices/heard.ts';
import type { Event } from './registry/events.ts';
import { type ServiceKey, type State, serviceKey } from './registry/state.ts';
import type { Responder } from './responder/responder.ts';
import { createRoaming, type Roaming } from './roaming/roaming.ts';
import { Roster } from './roaming/roster.ts';

export interface CellOptions {
  readonly host: {
    readonly clock: Clock;
    readonly exec: Exec;
    readonly files: Files;
    readonly links: Links;
    readonly log: Log;
  };
  readonly config: Config;
  /** Where servers register, if that is one address. */
  readonly registration: Address | undefined;
  readonly state: () => State;
  readonly emit: (event: Event) => void;
  readonly invitation: Responder['invitation'];
  /** Checks a service as soon as possible. */
  readonly recheck: (service: ServiceKey) => void;
  readonly onProblems: (problems: readonly string[]) => void;
}

export interface Cell {
  /** Others have servers: those of them that were here are looked at. */
  heard(event: Heard): void;
  /** The hosts that DHCP shows; undefined where nobody looks. */
  readonly roaming: Roaming | undefined;
  /** Goes on with another configuration. */
  set(config: Config): void;
  close(): Promise<void>;
}

export function createCell(options: CellOptions): Cell {
  const { host, config, state, emit, recheck } = options;
  const roaming = config.roaming.dhcp
    ? createRoaming({
        ...host,
        access: config.access,
        known: new Roster(state),
        invitation: options.invitation,
        seen: (server, hosts) => emit({ type: 'host-seen', server, hosts }),
        hasten(server) {
          for (const id of state().servers.get(server)?.services.keys() ?? [])
            recheck(serviceKey(server, id));
        },
      })
    : undefined;
  const dhcp: Dhcp = createDhcp({
    ...host,
    registration: { address: options.registration, port: config.listen[0]!.port },
    directory: `${config.state}/dhcp`,
    onProblems: options.onProblems,
  });
  dhcp.set(config.dhcp);
  return {
    roaming,
    heard(event) {
      if (event.type !== 'heard' || roaming === undefined) return;
      for (const { hosts } of event.bindings) if (hosts.length > 0) roaming.seenElsewhere(hosts, event.name);
    },
    set: next => dhcp.set(next.dhcp),
    async close() {
      roaming?.close();
      await dhcp.close();
    },
  };
}
