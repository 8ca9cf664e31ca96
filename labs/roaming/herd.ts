/**
 * A crowd of mobile servers, more than a lab has nodes for: each is a network namespace within the patch panel's node, with a DHCP client
 * and an agent of its own, a certificate, and a service that the managers check by ICMP.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueServers } from '../pki.ts';
import type { Lab } from '../runner/lab.ts';
import { quote } from '../topology/words.ts';
import { type Cable, type Cell, cableAt } from './cables.ts';

export interface Member {
  readonly name: string;
  readonly cable: Cable;
  /** Where it is plugged in. */
  at: Cell;
}

const PANEL = 'patch';
/** Started at once: each takes a third of a second of a core. */
const AT_ONCE = 4;
const CELLS: readonly Cell[] = ['a', 'b', 'c'];

export const serviceOf = (member: string): string => `${member}.bivouac.test`;

/** Makes so many, and plugs them into the cells in turn. */
export async function makeHerd(lab: Lab, count: number): Promise<Member[]> {
  const panel = lab.node(PANEL);
  const names = Array.from({ length: count }, (_, index) => `roamer${index + 1}`);
  await panel.must(['sh', '-s'], { input: await filesOf(lab, names) });
  const members = names.map((name, index): Member => {
    return { name, cable: cableAt(panel, name), at: CELLS[index % CELLS.length]! };
  });
  const waiting = [...members];
  const starters = Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const log = `/var/log/${next.name}.log`;
      await panel.must(['sh', '-c', `setsid -f /lab/start.sh member ${next.name} > ${log} 2>&1`]);
      await panel.must(['sh', '-c', `until [ -e /sys/class/net/${next.name} ]; do sleep 0.02; done`]);
      await next.cable.plug(next.at);
    }
  });
  await Promise.all(starters);
  return members;
}

/** What a member has said last. */
export const lastWords = async (lab: Lab, name: string): Promise<string> =>
  (await lab.node(PANEL).exec(['tail', '-n', '5', `/var/log/${name}.log`])).stdout;

/** A script that writes the files of all members to /run/members/NAME. */
async function filesOf(lab: Lab, names: readonly string[]): Promise<string> {
  const made = mkdtempSync(join(tmpdir(), 'bivouac-herd-'));
  try {
    const services = names.map(name => ({ name, services: [serviceOf(name)], ports: ['udp/7'] }));
    const pairs = await issueServers(lab.topology, made, services);
    return names
      .flatMap((name, index) => {
        const { ca, certificate, key } = pairs[index]!;
        const files = {
          'ca.pem': readFileSync(ca, 'utf8'),
          'own.pem': readFileSync(certificate, 'utf8'),
          'own.key': readFileSync(key, 'utf8'),
          'agent.json': JSON.stringify(agentOf(name)),
        };
        const directory = `/run/members/${name}`;
        const writes = Object.entries(files).map(
          ([file, text]) => `printf %s ${quote(text)} > ${directory}/${file}`,
        );
        return [`mkdir -p ${directory}`, ...writes];
      })
      .join('\n');
  } finally {
    rmSync(made, { recursive: true });
  }
}

const agentOf = (name: string): object => ({
  name,
  tls: { ca: 'ca.pem', certificate: 'own.pem', key: 'own.key' },
  services: [
    {
      name: serviceOf(name),
      protocol: 'echo',
      transport: 'udp',
      ports: 7,
      check: { kind: 'icmp', interval: 500, timeout: 300 },
    },
  ],
});
