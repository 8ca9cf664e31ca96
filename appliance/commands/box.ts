/**
 * `bivouac box VERB`: what an appliance that was started from an image does for itself, and tells. Exit status: 0 done, 1 failed, 2 usage.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BUNDLE, CONFIGURATION } from '../box/bundle.ts';
import { readKey } from '../box/enrol.ts';
import { createBoxDisk, withWritableEsp } from '../host/box-disk.ts';
import { createFiles } from '../host/files.ts';
import { configure, ENROLLED, effects, fingerprint, restartNetworkd } from './box/configure.ts';
import { discover } from './box/discover.ts';
import { textOf, thisBox } from './box/facts.ts';
import { judge } from './box/health.ts';
import { pathsBelow } from './box/paths.ts';
import { drawScreen, entriesOf, reportOf, slotRows } from './box/show.ts';
import { OPTIONS } from './options.ts';
import { formatTable } from './show.ts';

const USAGE = `usage: bivouac box status [--json]      the slots: what is in them, what runs, what is on trial
       bivouac box rollback             starts what is in the other slot, if that is good
       bivouac box reset                forgets the mission that was kept, the WAN that was found, and keys taken at the console
       bivouac box enrol [FILE]         lets the holder of an SSH public key log in (standard input without FILE); with --console, only
                                        as long as there is no key
       bivouac box screen               what the console shows

What its units run: start [--wait SECONDS], configure [--wait SECONDS] [--apply], healthy [--wait SECONDS], discover`;

const paths = pathsBelow('/');

interface Flags {
  readonly json?: boolean;
  readonly apply?: boolean;
  readonly console?: boolean;
  readonly wait?: string;
}

const VERBS: Readonly<
  Record<string, (flags: Flags, operands: readonly string[]) => Promise<number> | number>
> = {
  status({ json }) {
    const rows = slotRows(paths);
    console.log(json === true ? JSON.stringify(rows, null, 2) : formatTable(rows));
    return 0;
  },
  rollback,
  reset() {
    for (const name of [BUNDLE, 'wan', ENROLLED]) rmSync(join(paths.state, name), { force: true });
    console.log('forgotten; restart the box to start from its EFI system partition or its defaults');
    return 0;
  },
  async enrol(flags, [file]) {
    // Who finds the box's screen later must not let himself in.
    if (flags.console === true && (reportOf(paths)?.keys.length ?? 1) > 0)
      throw new Error(
        'there are SSH keys already: take those, or put another into bivouac.json on a USB stick',
      );
    const key = readKey(readFileSync(file ?? 0, 'utf8').slice(0, 10_000));
    if (typeof key !== 'string') throw new Error(key.fault);
    const path = join(paths.state, ENROLLED);
    const before = textOf(path) ?? '';
    if (!before.split('\n').includes(key)) createFiles().write(path, `${before}${key}\n`);
    console.log(`${fingerprint(key)} may log in as root`);
    return run({ apply: true });
  },
  async screen() {
    console.log(await drawScreen(paths));
    return 0;
  },
  configure: run,
  start,
  async healthy({ wait = '120' }) {
    const verdict = await judge(paths, Number(wait) * 1000);
    console.log(verdict.reason);
    await drawScreen(paths);
    if (verdict.do === 'reboot') execFileSync('systemctl', ['reboot']);
    return verdict.do === 'bless' ? 0 : 1;
  },
  async discover() {
    if (reportOf(paths)?.place !== 'defaults') return 0;
    await discover(paths, async () => void (await run({ apply: true })));
    return 0;
  },
};

export async function box(args: string[]): Promise<number> {
  const [name = '', ...rest] = args;
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  let parsed: ReturnType<typeof read>;
  try {
    parsed = read(rest);
  } catch (error) {
    console.error(`bivouac box: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (verb === undefined || parsed.values.help === true) {
    const asked = name === '--help' || parsed.values.help === true;
    (asked ? console.log : console.error)(USAGE);
    return asked ? 0 : 2;
  }
  try {
    return await verb(parsed.values, parsed.positionals);
  } catch (error) {
    console.error(`bivouac box ${name}: ${(error as Error).message}`);
    return 1;
  }
}

const read = (args: string[]) => parseArgs({ args, allowPositionals: true, options: OPTIONS.box });

/** Configures the box, and with `apply` has everybody take it up who runs already. */
async function run({ wait = '0', apply = false }: Flags): Promise<number> {
  const { report, changed } = await configure(paths, effects(paths, Number(wait) * 1000));
  for (const fault of report.refused) console.error(`<3>refused: ${fault}`);
  console.log(
    `${report.name}, by ${report.place} (${report.path}); WAN ${report.ports.wan}: ${report.ports.reason}`,
  );
  const network = changed.has('network') ? restartNetworkd() : undefined;
  if (apply) {
    if (changed.has('manager')) systemctl('try-restart', 'bivouac.service');
    systemctl(report.keys.length > 0 ? 'start' : 'stop', 'bivouac-ssh.service');
    systemctl('start', 'bivouac-screen.service');
  }
  await drawScreen(paths);
  await network;
  return 0;
}

/**
 * The manager's own unit: it configures the box, unless that was done since the box was turned on, and goes on as `bivouac run`. Two programs
 * one after the other would keep an emulator or a small board seconds longer. What is on sticks only a process may read that may mount.
 */
async function start(flags: Flags): Promise<number> {
  if (reportOf(paths) === undefined) {
    await devicesFound();
    await run(flags);
  }
  if ((reportOf(paths)?.keys.length ?? 0) > 0) systemctl('start', 'bivouac-ssh.service');
  const { run: manage } = await import('./run.ts');
  return manage(['--config', join(paths.run, CONFIGURATION)]);
}

/** Waits until udev has nothing to do, for 10 s at most: the file is there as long as it has (udev_queue_get_queue_is_empty). */
async function devicesFound(): Promise<void> {
  for (const end = performance.now() + 10_000; existsSync('/run/udev/queue') && performance.now() < end; )
    await new Promise(resolve => setTimeout(resolve, 50));
}

const systemctl = (...args: string[]): unknown =>
  execFileSync('systemctl', ['--no-block', ...args], { stdio: 'pipe' });

/** The running slot's entry goes: what is left is the other one. */
function rollback(): number {
  const { slot } = thisBox();
  const entries = entriesOf(paths);
  const other = entries.find(entry => entry.slot !== slot && entry.left === undefined);
  if (other === undefined) throw new Error('there is nothing good in the other slot');
  const disk = createBoxDisk();
  withWritableEsp(() => {
    for (const entry of entries.filter(entry => entry.slot === slot)) {
      const region = disk.openEntry(entry.name);
      region.write(0, new Uint8Array(512));
      region.flush();
      region.close();
      disk.removeEntry(entry.name);
    }
    disk.flushEntries();
  });
  console.log(`going back to ${other.version} in slot ${other.slot}`);
  execFileSync('systemctl', ['reboot']);
  return 0;
}
