/** Questions to the manager of an appliance. */
import type { LabNode } from '../runner/node.ts';
import { poll } from '../scenario/poll.ts';

/** Rows of `bivouac show services --json`. */
export interface ServiceRow {
  readonly service: string;
  readonly server: string;
  readonly vip: string;
  readonly state: string;
  readonly reason: string;
}

/** Rows of `bivouac show servers --json`. */
export interface ServerRow {
  readonly server: string;
  readonly state: string;
}

export async function show<T>(manager: LabNode, what: 'services' | 'servers'): Promise<T[]> {
  return JSON.parse(await manager.must(['bivouac', 'show', what, '--json'])) as T[];
}

/** Waits until a manager has a service of that name up at `count` servers, and gives its VIP. */
export function vipOf(manager: LabNode, name: string, count: number): Promise<string> {
  return poll(`${manager.name} has ${name} up at ${count} servers`, async () => {
    const rows = (await show<ServiceRow>(manager, 'services')).filter(row => row.service === name);
    const up = new Set(rows.filter(row => row.state === 'up').map(row => row.server));
    const down = rows.some(row => row.state !== 'up' && up.has(row.server));
    return up.size === count && !down && rows[0]?.vip;
  });
}

/** Waits until the manager's processes answer. */
export async function answers(manager: LabNode): Promise<void> {
  await poll(`the manager of ${manager.name} answers`, async () => {
    await show(manager, 'servers');
    return true;
  });
}

/** Starts a part of start.sh in a node as its command would, and leaves it running. */
export async function startPart(node: LabNode, part: 'manager' | 'agent' | 'service'): Promise<void> {
  await node.must(['sh', '-c', `setsid -f /lab/start.sh ${part} >> /var/log/${part}.log 2>&1`]);
}

/** Sends a signal to a part that start.sh has started. */
export async function signalPart(
  node: LabNode,
  part: 'manager' | 'agent' | 'service',
  signal: 'TERM' | 'KILL',
): Promise<void> {
  await node.must(['sh', '-c', `kill -${signal} "$(cat /run/${part}.pid)"`]);
}

/** Waits until a part has ended. */
export async function ended(node: LabNode, part: 'manager' | 'agent'): Promise<void> {
  await poll(`the ${part} of ${node.name} has ended`, async () => {
    const { status } = await node.exec(['sh', '-c', `kill -0 "$(cat /run/${part}.pid)"`]);
    return status !== 0;
  });
}
