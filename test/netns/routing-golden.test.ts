/**
 * Real FRR takes each golden configuration, and shows it as it was written: then nothing is sent twice.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClock } from '../../appliance/host/clock.ts';
import { openVty } from '../../appliance/host/vty.ts';
import { watchDaemon } from '../../appliance/routing/daemon.ts';
import { type DaemonName, renderOspf } from '../../appliance/routing/ospf.ts';
import { commandsFor } from '../../appliance/routing/running-config.ts';
import { type FrrSet, startFrr } from '../support/frr.ts';
import { Network, poll } from '../support/netns.ts';
import { CONFIGS } from '../support/routing-configs.ts';
import { recordingLog } from '../support/virtual/log.ts';

describe.each(Object.keys(CONFIGS))('golden %s', name => {
  const config = CONFIGS[name]!;
  const rendered = renderOspf(config);
  let network: Network;
  let directory: string;
  let frr: FrrSet;

  beforeAll(async () => {
    network = new Network();
    directory = mkdtempSync(join(tmpdir(), 'bvgold-'));
    chmodSync(directory, 0o711);
    const [here, there] = [network.namespace('g'), network.namespace('h')];
    for (const link of ['wan0', 'wan1'])
      network.veth({ in: here, name: link, addresses: [] }, { in: there, name: link });
    frr = await startFrr({
      namespace: here.name,
      directory: join(directory, 'f'),
      config: 'hostname golden\n',
      daemons: ['bfdd', 'ospfd', 'ospf6d'],
    });
  });
  afterAll(async () => {
    await network?.dispose();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each([...rendered.keys()])('is taken by %s, and asked for no second time', async daemon => {
    const text = rendered.get(daemon as DaemonName)!;
    const sent: (readonly string[])[] = [];
    const log = recordingLog();
    const watched = watchDaemon({
      name: daemon as DaemonName,
      directory: frr.directory,
      commands: running => {
        sent.push(commandsFor(running, text));
        return sent.at(-1)!;
      },
      openVty,
      clock: createClock(),
      log,
    });
    try {
      await poll(
        () => watched.problem === undefined || log.of('frr-refused').length > 0,
        30_000,
        'an answer',
      );
      expect(log.of('frr-refused')).toEqual([]);
      expect(sent[0]).not.toEqual([]);
      const running = await frr.vty(daemon as DaemonName, 'show running-config');
      expect(commandsFor(running, text)).toEqual([]);
    } finally {
      watched.close();
    }
  });
});
