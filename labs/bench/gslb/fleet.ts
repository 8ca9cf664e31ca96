/** Many managers in one process (../roles/managers.ts): what it is told, and what of it others have to know. */
import { type Address, address } from '../../../sdk/wire/address.ts';
import type { Identity } from './mission.ts';

export interface ManagersOptions {
  /** One for each. */
  readonly identities: readonly Identity[];
  /** Address of the GSLB. */
  readonly gslb: string;
  /** Services of each, with names of their own. */
  readonly services: number;
}

/** Where a manager is. */
export const addressOf = (manager: number): Address =>
  address(`10.8.${(manager + 1) >> 8}.${(manager + 1) & 255}`);

/** What a service is called. */
export const nameOfService = (manager: number, service: number): string => `s${service}.m${manager}.bench`;
