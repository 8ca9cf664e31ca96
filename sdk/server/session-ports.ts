/**
 * What a session is given: its surroundings and its options.
 */
import type { Clock, Random } from '../transport/environment.ts';
import type { Address } from '../wire/address.ts';
import type { Lease } from '../wire/model.ts';
import type { Connection, ConnectionHandlers } from './connection.ts';
import type { EnrolmentOptions } from './enrolment.ts';
import type { ManagerAddress, SessionEvent } from './events.ts';
import type { Memory } from './memory.ts';
import type { Find } from './quest.ts';
import type { LeasePlan, ServicePlan } from './service.ts';

export interface SessionPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly connect: (to: ManagerAddress, handlers: ConnectionHandlers) => Connection;
  /** Where managers may be, best first; looked up for each search. */
  readonly find: Find;
  /** This host's unique addresses, best first, as the manager at `to` may reach them; `local`: that of the connection, if it is known. */
  readonly addresses: (to: ManagerAddress, local: Address | undefined) => readonly Address[];
  readonly install: (lease: Lease, services: readonly ServicePlan[]) => Promise<void>;
  readonly emit: (event: SessionEvent) => void;
  /** For how long this host has been suspended since it booted, ms. */
  readonly asleep: () => number;
}

export interface SessionOptions extends EnrolmentOptions {
  readonly plans: readonly LeasePlan[];
  /** What an earlier run of this server held. */
  readonly memory?: Memory | undefined;
}
