/** Links that die silently: nothing comes through any more, and neither end's carrier says so. */
import type { LabNode } from '../runner/node.ts';

/** Drops all that an interface receives and sends. */
export async function cut(node: LabNode, name: string): Promise<void> {
  const chains = ['ingress', 'egress'].map(
    way => `chain ${way} { type filter hook ${way} device "${name}" priority -500; policy drop; }`,
  );
  const input = `table netdev cut-${name} {\n${chains.join('\n')}\n}\n`;
  await node.must(['nft', '-f', '-'], { input });
}

/** Undoes `cut`. */
export async function mend(node: LabNode, name: string): Promise<void> {
  await node.must(['nft', 'delete', 'table', 'netdev', `cut-${name}`]);
}
