/**
 * Whether two parts of the wanted state are the same by value: what did not change is to be the very same value, so that tables and
 * drivers see at a glance that there is nothing to do.
 */
import type { PortRange } from '../../sdk/wire/model.ts';
import type { ServiceKey, ServiceRecord } from '../registry/state.ts';
import type { DirectoryServer, Farm, Member } from './wanted.ts';

/** For two farms of the same key. */
export const sameFarm = (one: Farm, other: Farm): boolean =>
  one.mode === other.mode &&
  one.scheduler === other.scheduler &&
  one.affinity === other.affinity &&
  one.affinityPrefix === other.affinityPrefix &&
  one.affinityBy === other.affinityBy &&
  every(one.members, other.members, sameMember);

const sameMember = (one: Member, other: Member): boolean =>
  one.server === other.server &&
  one.address === other.address &&
  one.port === other.port &&
  one.weight === other.weight &&
  one.accepts === other.accepts;

/** For what two directories tell of the same VIP. */
export const sameServers = (one: readonly DirectoryServer[], other: readonly DirectoryServer[]): boolean =>
  every(
    one,
    other,
    (left, right) =>
      left.server === right.server &&
      left.address === right.address &&
      every(left.services, right.services, sameService),
  );

type DirectoryService = DirectoryServer['services'][number];

const sameService = (one: DirectoryService, other: DirectoryService): boolean =>
  one.score === other.score &&
  one.name === other.name &&
  one.protocol === other.protocol &&
  one.transport === other.transport &&
  every(one.ports, other.ports, sameRange);

const sameRange = (one: PortRange, other: PortRange): boolean =>
  one.first === other.first && one.last === other.last;

/** For the services of one VIP: whether nothing of what is derived from them differs. Half of all changes only note what was told. */
export function sameServices(
  one: ReadonlyMap<ServiceKey, ServiceRecord>,
  other: ReadonlyMap<ServiceKey, ServiceRecord>,
): boolean {
  if (one.size !== other.size) return false;
  for (const [key, left] of one) {
    const right = other.get(key);
    if (right === undefined || (left !== right && !sameRecord(left, right))) return false;
  }
  return true;
}

const sameRecord = (one: ServiceRecord, other: ServiceRecord): boolean =>
  one.spec === other.spec &&
  one.address === other.address &&
  one.verdict === other.verdict &&
  one.report === other.report &&
  one.intent === other.intent &&
  one.state === other.state &&
  one.reason === other.reason;

/** Whether two lists hold the same things in the same order. */
function every<T>(one: readonly T[], other: readonly T[], same: (left: T, right: T) => boolean): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (!same(one[index]!, other[index]!)) return false;
  return true;
}
