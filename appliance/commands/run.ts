/**
 * `bivouac run --config FILE`: the manager. SIGHUP reads the configuration again, SIGTERM and SIGINT stop.
 * Exit status: 0 stopped, 1 could not start, 2 usage.
 */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Config } from '../config/config.ts';
import { formatFault, loadConfig } from '../config/load.ts';
import { derOf, inspectorOf, readCertificate } from '../host/certificates.ts';
import { claim } from '../host/claim.ts';
import { createClock } from '../host/clock.ts';
import { compileAgain } from '../host/compilers.ts';
import { createExec } from '../host/exec.ts';
import { createFiles } from '../host/files.ts';
import { http } from '../host/http.ts';
import { createSigner, hmac, identify, verify } from '../host/keys.ts';
import { linuxLinks } from '../host/links.ts';
import { createStderrLog } from '../host/log.ts';
import { giveBack, growSlowly } from '../host/memory.ts';
import { createNet } from '../host/net.ts';
import { NETLINK_ROUTE, openNetlink } from '../host/netlink.ts';
import { notify } from '../host/notify.ts';
import type { Clock, Files, Log } from '../host/ports.ts';
import { createRandom } from '../host/random.ts';
import { linuxRawSockets } from '../host/raw.ts';
import { createStore } from '../host/store.ts';
import { openVty } from '../host/vty.ts';
import { createBeside } from '../ipvs/beside.ts';
import { isForIpvs } from '../ipvs/choose.ts';
import { fileMemory } from '../ipvs/settings.ts';
import { type Manager, startManager } from '../main.ts';
import type { ManagerHost, Secrets } from '../manager-host.ts';
import { readRevoked } from '../pki/crl.ts';
import { DOCUMENT_SCHEMA } from '../store/documents.ts';
import { stateNotes } from './box/facts.ts';
import { openNftables } from './dataplane.ts';
import { dnsWorkers } from './dns-worker.ts';
import { findIpvs, forgetIpvs, openIpvs } from './ipvs.ts';
import { OPTIONS } from './options.ts';

/** Bytes of a key for transfers: RFC 8945 §10 wants as many as the hash has; half of that is what some tools make. */
const LEAST_SECRET = 16;

/** When what the start took is given back, in ms after it: at once, and when the first servers have come. */
const SETTLED = [1000, 10_000];

const USAGE = `usage: bivouac run --config FILE

Runs the manager. SIGHUP reads FILE again, SIGTERM stops. \`bivouac check-config FILE\` looks it over first.`;

export async function run(args: string[]): Promise<number> {
  let values: { readonly config?: string; readonly help?: boolean };
  try {
    ({ values } = parseArgs({ args, options: OPTIONS.run }));
  } catch (error) {
    console.error(`bivouac run: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (values.help || values.config === undefined) {
    (values.help ? console.log : console.error)(USAGE);
    return values.help ? 0 : 2;
  }
  growSlowly();
  const file = resolve(values.config);
  const clock = createClock();
  const log = createStderrLog(clock);
  const config = readConfig(file, log);
  if (config === undefined) return 1;
  let manager: Manager;
  try {
    manager = await startManager(config, await createHost(config, secretsOf(file, config), clock, log));
  } catch (error) {
    log('error', 'not-started', { why: (error as Error).message });
    // Parts that did start would keep the process.
    process.exit(1);
  }
  log('notice', 'ready', { name: config.name, sinceStartMs: Math.round(process.uptime() * 1000) });
  notify('READY=1');
  compileAgain();
  for (const delay of SETTLED) clock.after('give-back', delay, giveBack);
  const watchdog = setInterval(() => {
    notify('WATCHDOG=1');
    growSlowly();
  }, 3000);

  process.on('SIGHUP', () => {
    notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    void reload(manager, file, log).finally(() => notify('READY=1'));
  });
  await new Promise<void>(done => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => done());
  });
  notify('STOPPING=1');
  clearInterval(watchdog);
  await manager.stop();
  log('notice', 'stopped');
  // Everything is closed and written; whatever timer a part has left must not keep a stopped daemon.
  process.exit(0);
}

/** Reads the files again. What cannot be read or cannot work changes nothing, and is said. */
async function reload(manager: Manager, file: string, log: Log): Promise<void> {
  try {
    const next = readConfig(file, log);
    if (next === undefined) throw new Error('the configuration has faults: the one of before stays in force');
    log('notice', 'reloaded', { needRestart: await manager.reload(next, secretsOf(file, next)) });
  } catch (error) {
    log('error', 'not-reloaded', { why: (error as Error).message });
  }
}

/** The configuration, or undefined after its faults were logged. */
function readConfig(file: string, log: Log): Config | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    log('error', 'config-not-read', { file, why: (error as Error).message });
    return undefined;
  }
  const loaded = loadConfig(text);
  if ('config' in loaded) return loaded.config;
  for (const fault of loaded.faults) log('error', 'config-fault', { where: formatFault(file, fault) });
  return undefined;
}

/** What the files hold that the configuration names. Throws when one cannot be read. */
function secretsOf(file: string, { tls, routing, gslb }: Config): Secrets {
  const read = (path: string): string => readFileSync(resolve(dirname(file), path), 'utf8');
  return {
    tls: tls && {
      ...{ ca: read(tls.ca), certificate: read(tls.certificate), key: read(tls.key) },
      validity: tls.validity,
    },
    revoked: tls?.crl === undefined ? new Set() : revokedBy(tls.crl, read(tls.crl), read(tls.ca)),
    topology: gslb?.topology === undefined ? undefined : read(gslb.topology),
    transferKeys: Object.entries(gslb?.transferKeys ?? {}).map(([name, path]) => ({
      name,
      secret: readSecret(path, read(path)),
    })),
    ospfKey: routing.password === undefined ? undefined : read(routing.password).trim(),
  };
}

/** A secret in base64. Throws, naming the file, when it is none, or too short to be one. */
function readSecret(path: string, text: string): Uint8Array {
  const secret = /^[A-Za-z0-9+/]+={0,2}$/.test(text.trim()) ? Buffer.from(text, 'base64') : Buffer.alloc(0);
  if (secret.length < LEAST_SECRET)
    throw new Error(`${path}: wanted ${LEAST_SECRET} bytes or more in base64, as 'tsig-keygen' writes them`);
  return secret;
}

/** Serial numbers on the list. Throws, naming the file, when it is not the authority's. */
function revokedBy(path: string, list: string, authority: string): ReadonlySet<string> {
  const { publicKey } = readCertificate(authority);
  try {
    return readRevoked(list, publicKey, verify);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** The real operating system. */
async function createHost(config: Config, secrets: Secrets, clock: Clock, log: Log): Promise<ManagerHost> {
  const problem = (sentence: string): void => log('warning', 'host', { sentence });
  const files = createFiles();
  const exec = createExec();
  const { driver } = config.dataplane;
  const ipvs = driver === 'auto' || driver === 'ipvs' ? await findIpvs() : undefined;
  if (driver === 'nftables') await forgetIpvs({ exec, log });
  files.makeDirectory(config.state);
  files.makeDirectory(dirname(config.operator.socket));
  return {
    clock,
    random: createRandom(),
    exec,
    net: createNet(),
    links: await linuxLinks(problem),
    raw: await linuxRawSockets(problem),
    files,
    log,
    http,
    store: createStore(config.state, DOCUMENT_SCHEMA, log),
    openVty,
    openRoutes: () => openNetlink(NETLINK_ROUTE),
    claim,
    hasIpvs: ipvs !== undefined,
    openDataplane: ({ driver, anycastPort }) => {
      const nftables = openNftables(
        { clock, exec, log },
        { anycastPort, farmsLater: ipvs !== undefined && driver === 'ipvs' },
      );
      if (ipvs === undefined) return nftables;
      const memory = fileMemory(files, join(config.state, 'ipvs-settings'));
      const options = { family: ipvs, memory, anycastPort };
      return createBeside(nftables, openIpvs({ clock, exec, log }, options), isForIpvs(driver));
    },
    signer: createSigner(secrets.tls?.key ?? ownKey(files, config.state)),
    signerOf: createSigner,
    verify,
    identify,
    inspectorOf,
    derOf,
    secrets,
    mishaps: stateNotes(),
    seconds: () => Math.floor(Date.now() / 1000),
    hmac,
    dnsWorkers: settings => dnsWorkers(new URL(import.meta.url), settings),
  };
}

/** Without certificates the manager still has an identity of its own, kept with its state. */
function ownKey(files: Files, directory: string): string {
  const path = join(directory, 'manager.key');
  const known = files.read(path);
  if (known !== undefined) return known;
  const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  files.write(path, key, 0o600);
  return key;
}
