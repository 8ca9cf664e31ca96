/**
 * IPVS beside nftables, as one driver: each farm goes to one of the two, and the anycast ARP of VIPs always to nftables. A farm that changes
 * sides is put in at the one before it is taken out of the other; its flows end, as they would with any change of the forwarding mode.
 */
import type { Driver } from '../desired/driver.ts';
import type { Farm, FarmKey, WantedDataplane } from '../desired/wanted.ts';
import type { Reached } from '../registry/state.ts';
import { type Draft, Table } from '../registry/table.ts';

type Farms = WantedDataplane['farms'];
type Counts = ReadonlyMap<FarmKey, ReadonlyMap<string, number>>;

/** A driver that tells of established connections by farm and member. */
export interface Dataplane extends Driver<WantedDataplane, Reached['farms']> {
  connections(): Promise<Counts>;
}

/** `isForIpvs`: of one farm always the same. */
export function createBeside(
  nftables: Dataplane,
  ipvs: Dataplane,
  isForIpvs: (farm: Farm) => boolean,
): Dataplane {
  let last: Farms = Table.empty();
  const sides = {
    nftables: { driver: nftables, farms: Table.empty() as Farms, reached: Table.empty() as Reached['farms'] },
    ipvs: { driver: ipvs, farms: Table.empty() as Farms, reached: Table.empty() as Reached['farms'] },
  };
  let both: Reached['farms'] = Table.empty();

  /** Gives each side its farms; true if one comes to IPVS that was not there. */
  const split = (farms: Farms): boolean => {
    const drafts = { nftables: sides.nftables.farms.draft(), ipvs: sides.ipvs.farms.draft() };
    let comes = false;
    for (const { key, after } of farms.changesSince(last)) {
      const side = after === undefined ? undefined : isForIpvs(after) ? 'ipvs' : 'nftables';
      comes ||= side === 'ipvs' && !sides.ipvs.farms.has(key);
      for (const each of ['nftables', 'ipvs'] as const)
        put(drafts[each], key, each === side ? after : undefined);
    }
    for (const each of ['nftables', 'ipvs'] as const) sides[each].farms = drafts[each].done();
    last = farms;
    return comes;
  };

  /** Notes what a side has reached; what one has no more, the other may have. */
  const note = (name: 'nftables' | 'ipvs', reached: Reached['farms']): Reached['farms'] => {
    const other = sides[name === 'ipvs' ? 'nftables' : 'ipvs'].reached;
    const draft = both.draft();
    for (const { key, after } of reached.changesSince(sides[name].reached))
      put(draft, key, after ?? other.get(key));
    sides[name].reached = reached;
    both = draft.done();
    return both;
  };

  return {
    async apply(wanted, onPart) {
      const order = split(wanted.farms) ? (['ipvs', 'nftables'] as const) : (['nftables', 'ipvs'] as const);
      const problems: string[] = [];
      for (const name of order) {
        const side = sides[name];
        const result = await side.driver.apply(
          { ...wanted, farms: side.farms },
          onPart && (reached => onPart(note(name, reached))),
        );
        note(name, result.reached);
        problems.push(...result.problems);
      }
      return { reached: both, problems };
    },
    async connections() {
      return new Map([...(await nftables.connections()), ...(await ipvs.connections())]);
    },
    async release() {
      await ipvs.release();
      await nftables.release();
    },
    detach() {
      ipvs.detach();
      nftables.detach();
    },
  };
}

function put<K extends string, V>(draft: Draft<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) draft.delete(key);
  else draft.set(key, value);
}
