/**
 * FRR's daemons as routing needs them: each watched and configured, asked for status, and looked through for conflicts.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { prefixHolds } from '../../sdk/wire/address.ts';
import type { Clock, Exec, Log, OpenVty, Timer } from '../host/ports.ts';
import type { Table } from '../registry/table.ts';
import { type ChangeMemory, createChangeMemory } from './change-file.ts';
import { type Change, reconcile, undo } from './changes.ts';
import type { RoutingConfig } from './config.ts';
import { type FrrDaemon, watchDaemon } from './daemon.ts';
import { conflictsOf, type RouteConflict, readAdvertisements } from './lsdb.ts';
import { type DaemonName, renderOspf } from './ospf.ts';
import type { RouteSocket } from './route-batch.ts';
import { hasLine, linesUnder } from './running-config.ts';
import { firstAddress, type RoutingStatus, readNeighbours } from './status.ts';

/** Others need a moment to flood what they have; then the database is looked at again now and then. */
const FIRST_LOOK = 2_000;
const NEXT_LOOK = 60_000;

export interface FrrHost {
  readonly exec: Exec;
  readonly clock: Clock;
  readonly log: Log;
  readonly openVty: OpenVty;
  /** Opens rtnetlink in this network namespace; absent = every change of a route goes through ip(8). */
  readonly openRoutes?: () => RouteSocket;
  /** What was changed in FRR, also by an earlier manager; absent = by this one alone. */
  readonly changes?: ChangeMemory;
}

export interface OspfDaemons {
  status(): Promise<RoutingStatus>;
  conflicts(): Promise<readonly RouteConflict[]>;
  /** VIPs were added: look soon. */
  lookForConflicts(): void;
  /** Puts FRR's running configuration back as it was found. Never rejects: a daemon that is not there has nothing of ours. */
  restore(): Promise<void>;
  close(): void;
}

export function createOspfDaemons(
  config: RoutingConfig,
  host: FrrHost,
  vips: () => Table<Address, number>,
): OspfDaemons {
  const { clock, log, exec, changes = createChangeMemory() } = host;
  const daemons = new Map<DaemonName, FrrDaemon>();
  const warned = new Set<string>();
  let look: Timer | undefined;
  /** What ospfd's running configuration lacks for us, though it is not ours to write. */
  let lacking: readonly string[] = [];

  const commands = async (name: DaemonName, running: string): Promise<readonly string[]> => {
    const next = reconcile(running, await wantedOf(name, running), changes.of(name));
    // Before the first is sent: what a crash leaves half done must be known to the next manager.
    remember(name, next.changes);
    return next.commands;
  };

  const remember = (name: DaemonName, what: readonly Change[]): void => {
    try {
      changes.put(name, what);
    } catch (error) {
      // A full disk must not keep the cell from its routes.
      log('warning', 'frr-changes-not-stored', { daemon: name, reason: (error as Error).message });
    }
  };

  const wantedOf = async (name: DaemonName, running: string): Promise<string> => {
    if (config.ospf === undefined) {
      if (name === 'ospfd') lacking = lackOf(config, running);
      for (const reason of name === 'ospfd' ? lacking : []) log('warning', 'ospf-lacks', { reason });
      if (name !== 'zebra' && !hasLine(running, name === 'ospfd' ? 'router ospf' : 'router ospf6')) return '';
    }
    return renderOspf(config, await routerId(name, running)).get(name) ?? '';
  };

  /** The router ID to set: none where it is configured, or where it stands already. */
  const routerId = async (name: DaemonName, running: string): Promise<Address | undefined> => {
    if (config.ospf === undefined || config.ospf.routerId !== undefined || name === 'zebra') return undefined;
    const ours = changes.of(name).find(change => /^ospf6? router-id /.test(change.ours));
    if (ours !== undefined) return ours.ours.split(' ')[2] as Address;
    const has = [...linesUnder(running, 'router ospf'), ...linesUnder(running, 'router ospf6')];
    if (has.some(line => /^ospf6? router-id /.test(line))) return undefined;
    const { stdout } = await exec.run('ip', ['-N', '-j', '-4', 'address', 'show'], { timeout: 5_000 });
    const found = firstAddress(JSON.parse(stdout || '[]'), config.ospf.interfaces);
    if (found === undefined)
      throw new Error(`no IPv4 address on ${config.ospf.interfaces.join(', ')} to take as OSPF router ID`);
    return found;
  };

  const ask = async (name: DaemonName, command: string): Promise<unknown> => {
    const text = await daemons.get(name)?.show(command);
    return text === undefined || text.trim() === '' ? undefined : JSON.parse(text);
  };

  const conflicts = async (): Promise<readonly RouteConflict[]> => {
    if (vips().size === 0) return [];
    try {
      const [own, router, external] = await Promise.all([
        ask('ospfd', 'show ip ospf json'),
        ask('ospfd', 'show ip ospf database router json'),
        ask('ospfd', 'show ip ospf database external json'),
      ]);
      const self = String((own as { routerId?: string } | undefined)?.routerId);
      return conflictsOf(vips(), config.kind, self, readAdvertisements(router, external));
    } catch {
      return []; // The daemon's own problem says why.
    }
  };

  const lookAt = (delay: number): void => {
    look?.cancel();
    look = clock.after('route-conflicts', delay, () => {
      void conflicts().then(found => {
        const now = new Set(found.map(({ reason }) => reason));
        for (const { reason, ...fields } of found)
          if (!warned.has(reason)) log('warning', 'route-conflict', { ...fields, reason });
        for (const reason of warned) if (!now.has(reason)) log('notice', 'route-conflict-over', { reason });
        warned.clear();
        for (const reason of now) warned.add(reason);
        if (!closed) lookAt(NEXT_LOOK);
      });
    });
  };
  let closed = false;

  const wanted = renderOspf(config);
  const names = new Set<DaemonName>(['ospfd', ...wanted.keys(), ...changes.daemons()]);
  for (const name of names)
    daemons.set(
      name,
      watchDaemon({
        name,
        directory: config.sockets,
        commands: running => commands(name, running),
        openVty: host.openVty,
        clock,
        log,
        onReady: () => lookAt(FIRST_LOOK),
      }),
    );

  return {
    conflicts,
    lookForConflicts: () => lookAt(FIRST_LOOK),
    async status() {
      const quiet = (name: DaemonName, command: string) => ask(name, command).catch(() => undefined);
      const [neighbours, peers, own, router, external] = await Promise.all([
        quiet('ospfd', 'show ip ospf neighbor json'),
        quiet('bfdd', 'show bfd peers json'),
        quiet('ospfd', 'show ip ospf json'),
        quiet('ospfd', 'show ip ospf database router json'),
        quiet('ospfd', 'show ip ospf database external json'),
      ]);
      const self = (own as { routerId?: string } | undefined)?.routerId;
      const advertisements = readAdvertisements(router, external);
      const out = new Set(advertisements.filter(one => one.router === self).map(one => one.vip));
      const clashes = conflictsOf(vips(), config.kind, self ?? '', advertisements);
      return {
        kind: config.kind,
        neighbours: readNeighbours(neighbours, peers),
        routes: [...vips().entries()].map(([vip, metric]) => ({
          vip,
          metric,
          advertised: self === undefined || vip.includes(':') ? undefined : out.has(vip),
        })),
        problems: [
          ...[...daemons.values()].flatMap(({ problem }) => (problem === undefined ? [] : [problem])),
          ...lacking,
          ...clashes.map(({ reason }) => reason),
        ],
      };
    },
    async restore() {
      for (const [name, daemon] of daemons) {
        if (changes.of(name).length === 0) continue;
        try {
          await daemon.tell(running => undo(running, changes.of(name)));
          log('info', 'frr-restored', { daemon: name });
        } catch (error) {
          log('warning', 'frr-not-restored', { daemon: name, reason: (error as Error).message });
        }
        remember(name, []);
      }
    },
    close() {
      closed = true;
      look?.cancel();
      for (const daemon of daemons.values()) daemon.close();
    },
  };
}

/** What an ospfd that somebody else configured does not do for our VIPs. */
function lackOf(config: RoutingConfig, running: string): readonly string[] {
  const lines = linesUnder(running, 'router ospf');
  if (lines.length === 0)
    return ["ospfd has no 'router ospf': configure FRR, or name the links in 'routing.interfaces'"];
  if (config.kind === 'external')
    return lines.some(line => line.startsWith('redistribute kernel'))
      ? []
      : [
          "ospfd does not redistribute the VIPs: add 'redistribute kernel metric-type 1' to its 'router ospf'",
        ];
  const id = lines.find(line => line.startsWith('ospf router-id '))?.split(' ')[2];
  const pinned = id !== undefined && !config.prefixes.some(prefix => prefixHolds(prefix, id as Address));
  return pinned
    ? []
    : ["ospfd may take a VIP as its router ID: add 'ospf router-id', with an address that is not a VIP"];
}
