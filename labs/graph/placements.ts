/** Asks the managers of a running lab where each VIP lives now. */
import type { Lab } from '../runner/lab.ts';
import type { Placement } from './picture.ts';

/** A row of `bivouac show services --json`, as far as the picture needs it. */
interface ServiceRow {
  readonly service: string;
  readonly server: string;
  readonly vip: string;
  readonly state: string;
}

/** What all managers that answer say; those that do not are in `silent`. */
export async function askPlacements(
  lab: Lab,
): Promise<{ readonly placements: readonly Placement[]; readonly silent: readonly string[] }> {
  const managers = [...lab.topology.nodes.values()].filter(node => node.group === 'appliance');
  const silent: string[] = [];
  const answers = await Promise.all(
    managers.map(async ({ name }) => {
      const { status, stdout } = await lab.node(name).exec(['bivouac', 'show', 'services', '--json']);
      if (status === 0) return placementsOf(JSON.parse(stdout) as ServiceRow[], name);
      silent.push(name);
      return [];
    }),
  );
  return { placements: answers.flat(), silent };
}

/** One placement for all services of one name that a server has at one VIP; it is up when one of them is. */
function placementsOf(rows: readonly ServiceRow[], manager: string): Placement[] {
  const placements = new Map<string, Placement>();
  for (const { vip, service, server, state } of rows) {
    const key = `${vip} ${service} ${server}`;
    const known = placements.get(key);
    if (known?.state !== 'up') placements.set(key, { vip, service, server, state, manager });
  }
  return [...placements.values()].sort((a, b) => a.service.localeCompare(b.service));
}
