/**
 * What the box's console and `bivouac box status` show, gathered from the running box.
 */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { bootOrder, type Entry, readEntry } from '../../box/entries.ts';
import { type Report, renderScreen, type ScreenPort, type Sight } from '../../box/screen.ts';
import type { Row } from '../../operator/views.ts';
import { ask, DEFAULT_SOCKET } from '../show.ts';
import { fingerprint, REPORT } from './configure.ts';
import { boxOrNone, stateNotes, textOf } from './facts.ts';
import type { Paths } from './paths.ts';

/** Those that systemd-boot would start, in its order: what an update has not finished begins with zeros. */
export function entriesOf({ esp }: Paths): readonly Entry[] {
  const directory = join(esp, 'EFI/Linux');
  if (!existsSync(directory)) return [];
  return bootOrder(
    readdirSync(directory)
      .map(readEntry)
      .filter(entry => entry !== undefined && isKernel(join(directory, entry.name)))
      .map(entry => entry!),
  );
}

function isKernel(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const start = new Uint8Array(2);
    readSync(file, start, 0, 2, 0);
    return start[0] === 0x4d && start[1] === 0x5a;
  } finally {
    closeSync(file);
  }
}

/** The slots, as rows: what would be started next comes first. */
export function slotRows(paths: Paths): readonly Row[] {
  const running = boxOrNone()?.slot;
  return entriesOf(paths).map(({ slot, version, generation, left, done }) => ({
    slot,
    version,
    generation,
    runs: slot === running ? 'yes' : '',
    state: left === undefined ? 'good' : left === 0 ? 'failed' : 'on trial',
    left: left ?? '',
    tried: left === undefined ? '' : done,
  }));
}

export function reportOf({ run }: Paths): Report | undefined {
  const text = textOf(join(run, REPORT));
  return text === undefined ? undefined : (JSON.parse(text) as Report);
}

/** Writes the screen to `run`/screen, from where the consoles read it; gives it. */
export async function drawScreen(paths: Paths): Promise<string> {
  const box = boxOrNone();
  const report = reportOf(paths);
  const hostKey = textOf('/state/ssh/ssh_host_ed25519_key.pub');
  const sight: Sight = {
    box,
    report,
    ports: report === undefined ? [] : portsOf(report, paths),
    manager: await managerNow(),
    trial: entriesOf(paths).find(({ slot, left }) => slot === box?.slot && left !== undefined)?.left,
    state: [...stateNotes(), ...withoutState()],
    hostKey: hostKey === undefined ? undefined : fingerprint(hostKey),
  };
  const text = renderScreen(sight);
  writeFileSync(join(paths.run, 'screen'), text, { mode: 0o644 });
  return text;
}

/** Nothing is mounted where the state should be. */
const withoutState = (): readonly string[] =>
  existsSync('/state') && statSync('/state').dev === statSync('/').dev
    ? ['NO STATE: there is no state partition; nothing will be remembered after a restart']
    : [];

function portsOf({ ports, link }: Report, { nics }: Paths): ScreenPort[] {
  const all = networkInterfaces();
  const port = (name: string, role: 'wan' | 'lan'): ScreenPort => ({
    name,
    role,
    carrier: textOf(join(nics, name, 'carrier'))?.trim() === '1',
    addresses: (all[name] ?? [])
      .filter(({ address }) => !address.startsWith('fe80:'))
      .map(({ cidr, address }) => cidr ?? address),
  });
  const lan = link === undefined || link === ports.wan ? [] : [...new Set([link, ...ports.lan])];
  return [
    ...(ports.wan === undefined ? [] : [port(ports.wan, 'wan')]),
    ...lan.map(name => port(name, 'lan')),
  ];
}

async function managerNow(): Promise<Sight['manager']> {
  const rows = async (what: string): Promise<readonly Row[]> => {
    const answer = await ask(DEFAULT_SOCKET, { show: what });
    return 'rows' in answer ? answer.rows : [];
  };
  try {
    const [servers, services, neighbours, problems] = await Promise.all(
      ['servers', 'services', 'neighbours', 'problems'].map(rows),
    );
    return {
      servers: servers!.length,
      services: services!.length,
      up: services!.filter(row => row['state'] === 'up').length,
      neighbours: neighbours!.map(row => `${row['router']} ${row['state']} (${row['interface']})`),
      problems: problems!.map(row => String(row['problem'] ?? Object.values(row).join(' '))),
    };
  } catch {
    return undefined;
  }
}
