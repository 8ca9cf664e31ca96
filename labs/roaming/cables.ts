/** Moves the cables of mobile servers at the patch panel, as `ip link set PORT master BRIDGE` by hand does. */
import type { Lab } from '../runner/lab.ts';
import type { LabNode } from '../runner/node.ts';

export type Cell = 'a' | 'b' | 'c';

export interface Cable {
  /** Out of whatever it is in, carrier lost; into the cell, carrier back. */
  plug(cell: Cell): Promise<void>;
  /** Into another cell while the carrier stays, as with Wi-Fi. */
  roam(cell: Cell): Promise<void>;
  unplug(): Promise<void>;
}

/**
 * Between the carrier's end and its return, ms. Whoever carries a cable takes longer; what is faster than the kernel tells of carriers, no
 * DHCP client and no agent is told of.
 */
export const CARRY = 50;

/** The cable of a node's interface; throws when it does not lead to the panel. */
export function cableOf(lab: Lab, server: string, name = 'eth1'): Cable {
  const end = lab.topology.links
    .flatMap(({ a, b }) => [
      { near: a, far: b },
      { near: b, far: a },
    ])
    .find(({ near }) => near.node === server && near.interface === name);
  if (!end || lab.topology.nodes.get(end.far.node)?.group !== 'patch')
    throw new Error(`${server}:${name} is not plugged in at a patch panel`);
  return cableAt(lab.node(end.far.node), end.far.interface);
}

/** The cable behind a port of the panel. */
export function cableAt(panel: LabNode, port: string): Cable {
  const batch = async (...lines: readonly string[]): Promise<void> => {
    await panel.must(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  };
  return {
    async plug(cell) {
      await batch(`link set ${port} down`, `link set ${port} master cell-${cell}`);
      await new Promise(resolve => setTimeout(resolve, CARRY));
      await batch(`link set ${port} up`);
    },
    roam: cell => batch(`link set ${port} master cell-${cell}`),
    unplug: () => batch(`link set ${port} down`, `link set ${port} nomaster`),
  };
}
