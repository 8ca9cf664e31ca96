/**
 * Real FRR, configured by somebody else, is set up one way after another, as reloads do, and put back: then it is as it was found.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClock } from '../../appliance/host/clock.ts';
import { openVty } from '../../appliance/host/vty.ts';
import { type Change, reconcile, undo } from '../../appliance/routing/changes.ts';
import { type FrrDaemon, watchDaemon } from '../../appliance/routing/daemon.ts';
import { type DaemonName, renderOspf } from '../../appliance/routing/ospf.ts';
import { commandsFor } from '../../appliance/routing/running-config.ts';
import { type FrrSet, startFrr } from '../support/frr.ts';
import { Network, poll } from '../support/netns.ts';
import { CONFIGS } from '../support/routing-configs.ts';
import { recordingLog } from '../support/virtual/log.ts';

const DAEMONS = ['zebra', 'bfdd', 'ospfd', 'ospf6d'] as const;

/** Somebody's own FRR; ours takes the place of some of it, and stands beside the rest. */
const THEIRS = `hostname theirs
zebra work-queue 7
bfd
 profile slow
  transmit-interval 900
 exit
exit
interface wan0
 ip ospf area 0.0.0.9
 ip ospf hello-interval 5
 ip ospf dead-interval 20
 ip ospf authentication message-digest
 ip ospf message-digest-key 1 md5 theirs
 ipv6 ospf6 area 0.0.0.9
 ipv6 ospf6 hello-interval 5
 ipv6 ospf6 bfd
exit
ip prefix-list THEIRS seq 5 permit 10.0.0.0/8
route-map THEIRS permit 10
 match ip address prefix-list THEIRS
exit
router ospf
 ospf router-id 10.255.0.9
 timers throttle spf 10 20 300
 redistribute kernel route-map THEIRS
 redistribute static
exit
router ospf6
 ospf6 router-id 10.255.0.9
 timers throttle spf 10 20 300
exit
`;

describe.each([
  ['one that has nothing', 'hostname empty\n'],
  ['one that is set up already', THEIRS],
])('an FRR that is %s', (_, config) => {
  let network: Network;
  let directory: string;
  let frr: FrrSet;
  const log = recordingLog();
  const daemons = new Map<DaemonName, FrrDaemon>();

  beforeAll(async () => {
    network = new Network();
    directory = mkdtempSync(join(tmpdir(), 'bvchg-'));
    chmodSync(directory, 0o711);
    const [here, there] = [network.namespace('g'), network.namespace('h')];
    for (const link of ['wan0', 'wan1'])
      network.veth({ in: here, name: link, addresses: [] }, { in: there, name: link });
    frr = await startFrr({
      ...{ namespace: here.name, directory: join(directory, 'f'), config },
      daemons: ['bfdd', 'ospfd', 'ospf6d'],
    });
    for (const name of DAEMONS) {
      const options = {
        name,
        directory: frr.directory,
        commands: () => [],
        openVty,
        clock: createClock(),
        log,
      };
      daemons.set(name, watchDaemon(options));
    }
    await poll(
      () => [...daemons.values()].every(({ problem }) => problem === undefined),
      30_000,
      'all daemons',
    );
  });
  afterAll(async () => {
    for (const daemon of daemons.values()) daemon.close();
    await network?.dispose();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each(DAEMONS)('is put back in %s, whatever reloads there were', async name => {
    const running = async (): Promise<string> =>
      (await frr.vty(name, 'show running-config'))
        .split('\n')
        .filter(line => !/^!?\s*$/.test(line))
        .join('\n');
    const found = await running();
    let changes: readonly Change[] = [];
    for (const rendered of Object.values(CONFIGS).map(each => renderOspf(each).get(name) ?? '')) {
      await daemons.get(name)!.tell(text => {
        const next = reconcile(text, rendered, changes);
        ({ changes } = next);
        return next.commands;
      });
      const now = await running();
      expect(commandsFor(now, rendered)).toEqual([]);
      // Nothing to do a second time, and nothing forgotten.
      expect(reconcile(now, rendered, changes)).toEqual({ commands: [], changes });
    }
    await daemons.get(name)!.tell(text => undo(text, changes));
    expect(await running()).toBe(found);
    expect(log.of('frr-refused')).toEqual([]);
  });
});
