/**
 * What else people use today for a server that moves: it tells the DNS its new address (RFC 2136, TTL 1), and clients ask again when the
 * TTL is over. The lab's own cells and DHCP; knot at headquarters has the zone.
 */
import type { Cell } from '../roaming/cables.ts';
import { cableOf } from '../roaming/cables.ts';
import { Monitor, wallClock } from '../roaming/monitor.ts';
import type { Lab } from '../runner/lab.ts';
import { poll } from '../scenario/poll.ts';
import type { Gap } from '../scenarios/clients.ts';

const SERVER = 'm-mcu';
const NAME = 'server.dns.test';
const RESOLVER = '10.0.0.1';

const KNOT = `server:
    listen: 0.0.0.0@53
    rundir: /run/knot
    user: root:root
database:
    storage: /run/knot/db
acl:
  - id: movers
    address: [10.0.0.0/8]
    action: update
zone:
  - domain: dns.test
    storage: /run/knot
    file: dns.test.zone
    acl: movers
    zonefile-sync: -1
    journal-content: changes
`;
const ZONE = `@ 1 SOA ns admin 1 3600 600 86400 1
@ 1 NS ns
ns 1 A ${RESOLVER}
`;
/** On the server: tells each new address as it comes, as a hook of a DHCP client does. */
// Its parts outlive it, so they must not hold its output.
const UPDATER = `exec > /dev/null 2>&1
ip -4 -oneline monitor address dev eth1 | while read -r line; do
  case "$line" in
    Deleted*) ;;
    *inet*) address=$(echo "$line" | sed 's/.* inet \\([0-9.]*\\).*/\\1/')
      printf 'server ${RESOLVER}\\nzone dns.test\\nupdate delete ${NAME} A\\nupdate add ${NAME} 1 A %s\\nsend\\n' "$address" |
        nsupdate -t 2 ;;
  esac
done`;

/** Moves the server so many times; each time without an answer at the client, ms. It must not run anything else. */
export async function dnsMoves(lab: Lab, apps: string, runs: number): Promise<number[]> {
  const server = lab.node(SERVER);
  await startKnot(lab);
  await server.must([
    'sh',
    '-c',
    'install -d /var/lib/dhcpcd; dhcpcd --config /lab/dhcpcd.conf --background --quiet',
  ]);
  const updater = server.spawn(['sh', '-c', UPDATER]);
  const echo = server.spawn(['node', `${apps}/web.mjs`, '--name', SERVER]);
  const kernel = await Monitor.ofKernel(server, 'link');
  const cable = cableOf(lab, SERVER);
  await cable.plug('a');
  const words = ['--name', NAME, '--resolver', RESOLVER, '--gaps', '15'];
  const client = lab.node('hq-client2').spawn(['node', `${apps}/named.mjs`, ...words]);
  await client.line();
  const gaps = (): Gap[] =>
    client.stdout
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as Gap & { readonly event: string })
      .filter(({ event }) => event === 'gap');
  const times: number[] = [];
  let at: Cell = 'a';
  for (let run = 0; run < runs; run++) {
    at = at === 'a' ? 'b' : 'a';
    // At any moment of the second that the client's TTL takes.
    await new Promise(resolve => setTimeout(resolve, 1500 + ((run * 370) % 1000)));
    const since = wallClock();
    await cable.plug(at);
    const { at: link } = await kernel.until('the carrier', /[<,]LOWER_UP[,>]/, since);
    const gap = await poll('an answer', () =>
      gaps().find(({ ended, ms }) => ended > link && ended - ms < link + 50),
    );
    times.push(gap.ms);
  }
  await Promise.all([client.stop(), updater.stop(), echo.stop(), kernel.stop()]);
  await server.must(['dhcpcd', '--exit']);
  return times;
}

async function startKnot(lab: Lab): Promise<void> {
  const hq = lab.node('hq');
  await hq.must(['sh', '-c', 'mkdir -p /run/knot/db; cat > /run/knot/knot.conf'], { input: KNOT });
  await hq.must(['sh', '-c', 'cat > /run/knot/dns.test.zone'], { input: ZONE });
  await hq.must(['knotd', '--daemonize', '--config', '/run/knot/knot.conf']);
}
