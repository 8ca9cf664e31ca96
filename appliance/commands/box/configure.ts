/**
 * `bivouac box configure`: makes, at each start and when a stick is put in, what the box runs by: the manager's configuration, the ports'
 * addresses, the firewall, and who may log in.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Prefix, parsePrefix } from '../../../sdk/wire/address.ts';
import { BUNDLE, type BundleFiles, CONFIGURATION, writeBundle } from '../../box/bundle.ts';
import { type Candidate, type Chosen, chooseConfiguration, type Refused } from '../../box/choose.ts';
import { defaultConfiguration } from '../../box/defaults.ts';
import { renderFirewall } from '../../box/firewall.ts';
import { PROBING, renderNetwork } from '../../box/networkd.ts';
import { choosePorts, type Nic, type Ports } from '../../box/nics.ts';
import { type Hello, unfit } from '../../box/ospf-hello.ts';
import { lanName, nameInText, realLinks } from '../../box/ports-named.ts';
import type { Report } from '../../box/screen.ts';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { createFiles } from '../../host/files.ts';
import { checkCredentials } from './credentials.ts';
import { textOf } from './facts.ts';
import { candidatesIn, nicsOf, sticks } from './gather.ts';
import type { Paths } from './paths.ts';

/** What was found once, and is remembered: the hardware address of the WAN. */
const WAN = 'wan';
/** What a neighbour's hello said, as long as the box runs. */
export const HELLO = 'ospf-hello.json';
/** Public keys that were taken at the console. */
export const ENROLLED = 'authorized_keys';
export const REPORT = 'report.json';
/** Is there as long as the box runs by its defaults. */
const DEFAULTS = 'defaults';

/** Touches what is outside `paths`: the firewall, and the host's name. */
export interface Effects {
  firewall(text: string): void;
  hostname(name: string): void;
  usb(): readonly Candidate[];
  /** Lets every port ask for an address, and waits a little for one. */
  probe(): Promise<void>;
}

export const effects = (paths: Paths, patience: number): Effects => ({
  firewall: text => void execFileSync('nft', ['-f', '-'], { input: text, stdio: 'pipe' }),
  hostname: name => writeFileSync('/proc/sys/kernel/hostname', name),
  usb: () => sticks(paths),
  probe: () => probe(paths, patience),
});

/** It reads its files anew; there is no D-Bus on a box to ask it by. Resolves when it has. */
export async function restartNetworkd(): Promise<void> {
  await promisify(execFile)('systemctl', ['restart', 'systemd-networkd.service']);
}

/** `patience` in ms. */
async function probe(paths: Paths, patience: number): Promise<void> {
  if (patience <= 0) return;
  const file = join(paths.network, PROBING);
  const text =
    '[Match]\nType=ether\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n\n[DHCPv4]\nClientIdentifier=mac\n';
  mkdirSync(paths.network, { recursive: true, mode: 0o755 });
  createFiles().write(file, text, 0o644);
  await restartNetworkd();
  for (const end = performance.now() + patience; performance.now() < end; ) {
    if (nicsOf(paths).some(({ lease }) => lease !== undefined)) break;
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  rmSync(file);
}

/** Does it all; gives what changed: `network` (networkd has to read its files again), `manager` (it has to be restarted). */
export async function configure(
  paths: Paths,
  effect: Effects,
): Promise<{ readonly report: Report; readonly changed: ReadonlySet<'network' | 'manager'> }> {
  const files = createFiles();
  files.makeDirectory(paths.run);
  files.makeDirectory(paths.state);
  const hello = helloOf(paths);
  const brought = effect.usb();
  const remembered = textOf(join(paths.state, WAN))?.trim();
  const look = () => {
    const nics = nicsOf(paths);
    const portsFor = (configured: string | undefined): Ports => choosePorts(nics, { configured, remembered });
    const found = choose(paths, brought, nics, portsFor(undefined), hello);
    return { ...found, nics, ports: portsFor(found.chosen.config.box?.wan) };
  };
  let found = look();
  if (found.ports.guess) {
    await effect.probe();
    found = look();
  }
  const { chosen, refused, nics, ports } = found;
  const link = lanName(ports.lan);
  const names = { wan: ports.wan, lan: link };
  const keys = authorized(paths, chosen.config);
  const text = nameInText(chosen.files.get(CONFIGURATION)!, names);
  const loaded = loadConfig(text);
  // `wan` and `lan` may be what is wrong with it: both one port, say. Then the one before was not better.
  const config: Config = 'config' in loaded ? loaded.config : chosen.config;
  const box = { links: {}, ...chosen.config.box, ssh: { from: chosen.config.box?.ssh.from ?? [], keys } };
  effect.hostname(config.name);
  const changed = new Set<'network' | 'manager'>();
  if (
    replaceFiles(
      paths.run,
      [...chosen.files].filter(([name]) => name !== CONFIGURATION),
      [CONFIGURATION, text],
    )
  )
    changed.add('manager');
  if (replaceNetwork(paths, ports, realLinks(chosen.config, names))) changed.add('network');
  mkdirSync(join(paths.run, 'ssh'), { recursive: true, mode: 0o755 });
  files.write(join(paths.run, 'ssh/root'), keys.map(key => `${key}\n`).join(''), 0o600);
  if (keys.length === 0) files.remove(join(paths.run, 'ssh/root'));
  keep(paths, chosen);
  const own = nics.find(({ name }) => name === ports.wan);
  if (ports.sure && own !== undefined) files.write(join(paths.state, WAN), `${own.mac}\n`);
  const faults = refused.flatMap(refusal => refusal.faults);
  try {
    effect.firewall(renderFirewall({ ...config, box }));
  } catch (error) {
    // What stood before stands: closed, at the first time.
    faults.push(`firewall: ${(error as Error).message}`);
  }
  const report: Report = {
    name: config.name,
    place: chosen.place,
    path: chosen.path,
    refused: faults,
    tls: config.tls !== undefined,
    ports,
    link,
    keys: keys.map(fingerprint),
    ...(hello !== undefined && unfit(hello) !== undefined && { ospf: unfit(hello)! }),
  };
  if (chosen.place === 'defaults') files.write(join(paths.run, DEFAULTS), '');
  else files.remove(join(paths.run, DEFAULTS));
  files.write(join(paths.run, REPORT), `${JSON.stringify(report)}\n`, 0o644);
  return { report, changed };
}

function choose(
  paths: Paths,
  brought: readonly Candidate[],
  nics: readonly Nic[],
  ports: Ports,
  hello: Hello | undefined,
): { readonly chosen: Chosen; readonly refused: readonly Refused[] } {
  const joined = hello !== undefined && unfit(hello) === undefined ? { hello } : {};
  const [first] = [...nics].sort((one, other) => (one.name < other.name ? -1 : 1));
  const taken = nics.flatMap(({ lease }) =>
    lease === undefined ? [] : [parsePrefix(`${lease}/16`) as Prefix],
  );
  const mac = first?.mac ?? ('00:00:00:00:00:01' as Nic['mac']);
  const defaults: BundleFiles = new Map([
    [CONFIGURATION, defaultConfiguration({ mac, ports, taken, ...joined })],
  ]);
  const candidates: Candidate[] = [
    ...brought,
    ...candidatesIn('esp', paths.esp),
    ...candidatesIn('kept', paths.state),
    { place: 'defaults', path: 'defaults', files: defaults },
  ];
  const { chosen, refused } = chooseConfiguration(candidates, checkCredentials);
  if (chosen === undefined)
    throw new Error(`not even the defaults are good: ${refused.at(-1)?.faults.join('; ')}`);
  return { chosen, refused };
}

/** What a stick or the EFI system partition brought is kept, and holds when those are gone. */
function keep(paths: Paths, { place, files }: Chosen): void {
  if (place !== 'usb' && place !== 'esp') return;
  const path = join(paths.state, BUNDLE);
  const bytes = Buffer.from(writeBundle(files));
  const before = textOf(path);
  if (before === bytes.toString('utf8')) return;
  createFiles().write(path, bytes.toString('utf8'), 0o600);
}

/** Writes the files, the last one at the end; whether any was another before. */
function replaceFiles(
  directory: string,
  files: readonly (readonly [string, string])[],
  last: readonly [string, string],
): boolean {
  let changed = false;
  for (const [name, text] of [...files, last]) {
    const path = join(directory, name);
    if (textOf(path) === text) continue;
    createFiles().write(path, text, 0o600);
    changed = true;
  }
  return changed;
}

function replaceNetwork(paths: Paths, ports: Ports, links: Parameters<typeof renderNetwork>[1]): boolean {
  mkdirSync(paths.network, { recursive: true, mode: 0o755 });
  const wanted = new Map(renderNetwork(ports, links).map(({ name, text }) => [name, text]));
  const present = readdirSync(paths.network).filter(name =>
    /^(10|20|30|80)-.*\.(network|netdev)$/.test(name),
  );
  let changed = false;
  for (const name of present) {
    if (wanted.has(name)) continue;
    rmSync(join(paths.network, name));
    changed = true;
  }
  for (const [name, text] of wanted) {
    const path = join(paths.network, name);
    if (textOf(path) === text) continue;
    createFiles().write(path, text, 0o644);
    changed = true;
  }
  return changed;
}

/** Keys of the configuration, and those that were taken at the console, each once. */
function authorized(paths: Paths, { box }: Config): readonly string[] {
  const enrolled = (textOf(join(paths.state, ENROLLED)) ?? '').split('\n').filter(line => line !== '');
  return [...new Set([...(box?.ssh.keys ?? []), ...enrolled])];
}

/** As `ssh-keygen -l` shows it. */
export function fingerprint(key: string): string {
  const blob = Buffer.from(key.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replaceAll('=', '')}`;
}

function helloOf({ run }: Paths): Hello | undefined {
  try {
    return JSON.parse(readFileSync(join(run, HELLO), 'utf8')) as Hello;
  } catch {
    return undefined;
  }
}
