/** A stock name server (Knot DNS) that keeps a copy of the GSLBs' zone: transferred, told of changes, transferred again. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { poll, timed } from '../scenario/poll.ts';
import { check } from '../scenario/scenario.ts';
import type { Wan } from '../wan/wan.ts';
import { ADDRESS, dig, type GslbWorld, HOSTED, PORTAL } from './gslb-world.ts';

const HOST = 'hq-client2';
const ITSELF = '10.0.0.102';

const configuration = (directory: string): string => `server:
  listen: ${ITSELF}@53
  rundir: ${directory}
  user: root
log:
  - target: stderr
    any: notice
database:
  storage: ${directory}
remote:
  - id: gslb1
    address: ${ADDRESS.gslb1}
acl:
  - id: told
    address: ${ADDRESS.gslb1}
    action: notify
zone:
  - domain: bivouac.test
    storage: ${directory}
    master: gslb1
    acl: told
`;

/** Starts it. */
export async function copyZone({ node, step, vips }: GslbWorld): Promise<void> {
  await step('a stock name server copies the zone', async () => {
    const { directory } = node(HOST);
    const file = join(directory, 'knot.conf');
    writeFileSync(file, configuration(directory));
    const { ms, value } = await timed(async () => {
      node(HOST).spawn(['knotd', '-c', file], HOSTED);
      // Until it listens, dig is not to wait for it.
      return poll(
        'it answers',
        async () => (await dig(node(HOST), ITSELF, PORTAL, '+tries=1', '+time=1'))[0],
      );
    });
    check(Object.values(vips).includes(value), `it answers ${value}`);
    return { 'answers after ms': ms, address: value };
  });
}

/** It has followed all that has happened since; and how much the lines were to be relied on through all of it. */
export async function copyFollows({ node, step }: GslbWorld, wan: Wan): Promise<void> {
  await step('the copy has followed', async () => {
    const serial = async (server: string): Promise<string> =>
      (await dig(node(HOST), server, 'bivouac.test', 'SOA'))[0]?.split(' ')[2] ?? '';
    const { ms, value } = await timed(() =>
      poll('the copy has the serial number of gslb1', async () => {
        const [one, other] = await Promise.all([serial(ADDRESS.gslb1), serial(ITSELF)]);
        return one !== '' && one === other && one;
      }),
    );
    return { serial: value, 'after ms': ms, 'lines late by at most ms': Math.max(20, wan.late) };
  });
}
