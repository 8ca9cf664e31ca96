/**
 * `bivouac pki init | issue | revoke | show`: the mission's certificate authority on the command line.
 */
import { parseArgs } from 'node:util';
import { readCertificate } from '../host/certificates.ts';
import { createExec } from '../host/exec.ts';
import { createFiles } from '../host/files.ts';
import type { CertificateFacts } from '../host/ports.ts';
import { createRandom } from '../host/random.ts';
import {
  type AuthorityDeps,
  initAuthority,
  issueCertificate,
  pairPaths,
  revokeCertificates,
} from '../pki/authority.ts';
import { ROLES, type Role, readLimits } from '../pki/claims.ts';
import { canonicalSerial } from '../pki/crl.ts';
import { generalizedTime } from '../pki/openssl.ts';
import { renderCertificate, shown } from '../pki/show.ts';
import { ANY } from '../registry/permits.ts';
import { PKI_OPTIONS } from './options.ts';
import { bundleOf } from './pki-bundle.ts';

const USAGE = `usage: bivouac pki init DIR --mission NAME [--force]
       bivouac pki issue DIR --name NODE --role ${ROLES.join('|')} [--role …]
               [--claim-name NAME|*.SUFFIX]… [--claim-vip ADDRESS|PREFIX]… [--claim-port tcp/1720|udp/5000-5100|tcp/*]…
               [--any] [--days N] [--force]
       bivouac pki revoke DIR --name NODE | --serial HEX
       bivouac pki bundle DIR --name NODE --config FILE --output mission.tar
       bivouac pki show FILE [--json]

A server's certificate permits what the claims list and nothing else; --any permits everything. Certificates are valid from
1970 on and have no end unless --days sets one: nodes in the field often have no right clock.
revoke takes back every certificate that was issued to NODE so far (or the one of that serial number), and writes DIR/ca.crl, which
managers read ('tls.crl' in their configuration) when they start and at each reload.
bundle puts all that a box needs in one file for its USB stick or boot partition: the configuration FILE, the certificate and key of NODE, the
authority's certificate and list, and what else FILE names. It holds NODE's private key: whoever has it can be NODE.
`;

/** Where the command's words go. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

const terminal: Output = {
  out: text => void process.stdout.write(text),
  err: text => void process.stderr.write(text),
};

/** Runs it; gives the exit status: 0 done, 1 failed, 2 wrong usage. */
export async function pki(args: readonly string[], output: Output = terminal): Promise<number> {
  const [verb, ...rest] = args;
  const command = Object.entries({ init, issue, revoke, bundle, show }).find(([name]) => name === verb)?.[1];
  if (args.length === 0 || args.includes('--help') || verb === 'help') {
    output.out(USAGE);
    return 0;
  }
  if (command === undefined) {
    output.err(USAGE);
    return 2;
  }
  try {
    await command(rest, output);
    return 0;
  } catch (error) {
    output.err(`bivouac pki ${verb}: ${(error as Error).message}\n`);
    if (!(error instanceof UsageError)) return 1;
    output.err(USAGE);
    return 2;
  }
}

class UsageError extends Error {}

const host = (): AuthorityDeps => ({ exec: createExec(), files: createFiles(), random: createRandom() });

async function init(args: readonly string[], { out }: Output): Promise<void> {
  const { positionals, values } = read(args, PKI_OPTIONS.init);
  const directory = one(positionals, 'DIR');
  const mission = given(values.mission, '--mission NAME');
  const made = await initAuthority(host(), { directory, mission, force: values.force === true });
  out(`${made.certificate}  the authority's certificate: every node needs it\n`);
  out(`${made.key}  its key: whoever has it can be anyone in the mission; keep it off the nodes\n`);
}

async function issue(args: readonly string[], { out, err }: Output): Promise<void> {
  const { positionals, values } = read(args, PKI_OPTIONS.issue);
  const directory = one(positionals, 'DIR');
  const name = given(values.name, '--name NODE');
  const roles = limits('role', given(values.role, '--role ROLE'), ROLES.join(', ')) as readonly Role[];
  const any = values.any === true ? [ANY] : undefined;
  const request = {
    ...{ directory, name, roles, force: values.force === true },
    mission: authority(directory).organization,
    names: any ?? limits('name', values['claim-name'], 'mcu1.mission, *.mission'),
    vips: any ?? limits('vip', values['claim-vip'], '10.255.0.1, 10.255.0.0/24, 2001:db8::/64'),
    ports: any ?? limits('port', values['claim-port'], 'tcp/80,443, udp/5000-5100, tcp/*'),
    ...(values.days === undefined ? {} : { notAfter: generalizedTime(after(values.days)) }),
  };
  const made = await issueCertificate(host(), request);
  out(`${made.certificate}\n${made.key}\n`);
  const missing = [
    ...(request.names.length === 0 ? ['--claim-name'] : []),
    ...(request.vips.length === 0 ? ['--claim-vip'] : []),
    ...(request.ports.length === 0 ? ['--claim-port'] : []),
  ];
  if (roles.includes('server') && missing.length > 0)
    err(
      `warning: without ${missing.join(', ')} ${name} may not register any service (--any permits everything)\n`,
    );
}

async function revoke(args: readonly string[], { out }: Output): Promise<void> {
  const { positionals, values } = read(args, PKI_OPTIONS.revoke);
  const directory = one(positionals, 'DIR');
  const { name, serial } = values;
  if ((name === undefined) === (serial === undefined))
    throw new UsageError('give --name NODE, or --serial HEX');
  authority(directory);
  const wanted = issuedBy(directory).filter(({ facts }) =>
    serial === undefined
      ? facts.commonName === name
      : canonicalSerial(facts.serial) === canonicalSerial(serial.replaceAll(':', '')),
  );
  if (wanted.length === 0)
    throw new Error(
      `${directory}/issued holds no certificate ${serial === undefined ? `of ${name}` : `with serial number ${serial}`}`,
    );
  const list = await revokeCertificates(
    host(),
    directory,
    wanted.map(({ pem }) => pem),
  );
  for (const { facts } of wanted) out(`revoked ${facts.serial}  ${facts.commonName}\n`);
  out(`${list}  take it to every manager, and reload them\n`);
}

/** The copies of what the authority issued, but for its own certificate. */
function issuedBy(directory: string): { readonly pem: string; readonly facts: CertificateFacts }[] {
  const files = createFiles();
  return files
    .list(`${directory}/issued`)
    .filter(name => /^[0-9A-F]+\.pem$/.test(name))
    .map(name => {
      const path = `${directory}/issued/${name}`;
      return { pem: files.read(path) ?? '', facts: certificateAt(path) };
    })
    .filter(({ facts }) => !facts.authority);
}

function bundle(args: readonly string[], { out }: Output): void {
  const { positionals, values } = read(args, PKI_OPTIONS.bundle);
  const directory = one(positionals, 'DIR');
  const name = given(values.name, '--name NODE');
  const config = given(values.config, '--config FILE');
  const output = given(values.output, '--output FILE');
  authority(directory);
  const files = createFiles();
  files.write(output, new TextDecoder().decode(bundleOf(files, { directory, name, config })), 0o600);
  out(
    `${output}  put it on a USB stick, or in bivouac/ on the boot partition; it holds the private key of ${name}\n`,
  );
}

function show(args: readonly string[], { out }: Output): void {
  const { positionals, values } = read(args, PKI_OPTIONS.show);
  const facts = certificateAt(one(positionals, 'FILE'));
  out(values.json === true ? `${JSON.stringify(shown(facts), undefined, 2)}\n` : renderCertificate(facts));
}

function authority(directory: string): CertificateFacts {
  const { certificate } = pairPaths(directory, 'ca');
  if (createFiles().read(certificate) === undefined)
    throw new Error(
      `there is no authority in ${directory}: make one with 'bivouac pki init ${directory} --mission NAME'`,
    );
  return certificateAt(certificate);
}

function certificateAt(path: string): CertificateFacts {
  const pem = createFiles().read(path);
  if (pem === undefined) throw new Error(`${path}: no such file`);
  try {
    return readCertificate(pem);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

function read<const T extends NonNullable<Parameters<typeof parseArgs>[0]>['options']>(
  args: readonly string[],
  options: T,
) {
  try {
    return parseArgs({
      args: [...args],
      options: options as T & object,
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function one(positionals: readonly string[], what: string): string {
  const [first, ...more] = positionals;
  if (first === undefined || more.length > 0)
    throw new UsageError(`give one ${what}, not ${positionals.length}`);
  return first;
}

function given<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new UsageError(`give ${what}`);
  return value;
}

function limits(kind: string, values: readonly string[] = [], examples: string): readonly string[] {
  return values.flatMap(value => {
    const read = readLimits(kind, value);
    if (read === undefined) throw new UsageError(`'${value}' is no ${kind}: for example ${examples}`);
    return read;
  });
}

function after(days: string): Date {
  const number = Number(days);
  if (!Number.isInteger(number) || number < 1 || number > 36_500)
    throw new UsageError(`--days is 1…36500, not '${days}'`);
  return new Date(Date.now() + number * 86_400_000);
}
