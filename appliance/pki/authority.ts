/**
 * The mission's certificate authority: a directory with its key, its certificate and what it issued, made with `openssl`.
 *
 *     ca.key ca.pem          the authority; ca.key never leaves this directory
 *     NAME.key NAME.pem      what `issue` made, to be taken to the node NAME
 *     issued/SERIAL.pem      a copy of each certificate ever issued
 *     ca.crl                 the list of those that `revoke` took back, to be taken to every manager
 *     revoked.index          what the list is made from
 */
import type { Exec, Files, Random } from '../host/ports.ts';
import { type Credentials, urisOf } from './claims.ts';
import { type ConfigInput, NO_END, NOT_BEFORE, renderConfig } from './openssl.ts';

export interface AuthorityDeps {
  readonly exec: Exec;
  readonly files: Files;
  readonly random: Random;
}

export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

export interface IssueRequest extends Omit<Credentials, 'ignored'> {
  readonly directory: string;
  /** As the authority's certificate has it (its organization). */
  readonly mission: string;
  readonly name: string;
  /** GeneralizedTime; absent = from 1970 on. */
  readonly notBefore?: string;
  /** GeneralizedTime; absent = no end. */
  readonly notAfter?: string;
  readonly force: boolean;
}

/** Paths of the authority's, or a node's, certificate and key. */
export const pairPaths = (directory: string, name: string): Pair => ({
  certificate: `${directory}/${name}.pem`,
  key: `${directory}/${name}.key`,
});

const NODE_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const MISSION_NAME = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$/;

/** Makes the authority. Throws an Error that says what to do instead. */
export async function initAuthority(
  deps: AuthorityDeps,
  request: { readonly directory: string; readonly mission: string; readonly force: boolean },
): Promise<Pair> {
  const { directory, mission, force } = request;
  if (!MISSION_NAME.test(mission))
    throw new Error(`'${mission}' is no name for a mission: take letters, digits, spaces, '.', '_' and '-'`);
  const paths = pairPaths(directory, 'ca');
  refuseToOverwrite(
    deps.files,
    paths,
    force,
    'every certificate that the old authority issued would be void',
  );
  return make(
    deps,
    directory,
    paths,
    { mission, name: `${mission} mission authority`, roles: [], uris: [] },
    [...['-selfsign', '-keyfile', paths.key, '-extensions', 'root', '-enddate', NO_END]],
  );
}

/** Issues a certificate with a key of its own. Throws an Error that says what to do instead. */
export async function issueCertificate(deps: AuthorityDeps, request: IssueRequest): Promise<Pair> {
  const { directory, mission, name, roles, notBefore = NOT_BEFORE, notAfter = NO_END, force } = request;
  if (!NODE_NAME.test(name) || name === 'ca')
    throw new Error(
      `'${name}' is no name for a node: take lower-case letters, digits, '.', '_' and '-', but not 'ca'`,
    );
  const authority = pairPaths(directory, 'ca');
  const paths = pairPaths(directory, name);
  refuseToOverwrite(deps.files, paths, force, 'the node would need the new key to go on');
  return make(deps, directory, paths, { mission, name, roles, uris: urisOf(request) }, [
    ...[
      '-cert',
      authority.certificate,
      '-keyfile',
      authority.key,
      '-extensions',
      'leaf',
      '-startdate',
      notBefore,
      '-enddate',
      notAfter,
    ],
  ]);
}

/** Revokes certificates (PEM texts) and makes the list anew; those that are revoked already stay so. Gives the list's path. */
export async function revokeCertificates(
  { exec, files, random }: AuthorityDeps,
  directory: string,
  certificates: readonly string[],
): Promise<string> {
  const authority = pairPaths(directory, 'ca');
  const paths = { list: `${directory}/ca.crl`, index: `${directory}/revoked.index` };
  await withScratch({ files, random }, directory, async (scratch, issued) => {
    const database = `${scratch}.index`;
    files.write(database, files.read(paths.index) ?? '');
    const subject = { mission: 'none', name: 'none', roles: [], uris: [] };
    files.write(`${scratch}.cnf`, renderConfig({ ...subject, issued, database }));
    const common = [
      'ca',
      '-config',
      `${scratch}.cnf`,
      '-cert',
      authority.certificate,
      '-keyfile',
      authority.key,
    ];
    for (const pem of certificates) {
      files.write(`${scratch}.pem`, pem);
      await openssl(exec, [...common, '-revoke', `${scratch}.pem`], /Already revoked/);
    }
    const dates = ['-crl_lastupdate', NOT_BEFORE, '-crl_nextupdate', NO_END];
    const list = await openssl(exec, [...common, '-gencrl', ...dates]);
    // The index first: what is in it will be in the next list, if this one is not written.
    files.write(paths.index, files.read(database) ?? '', 0o600);
    files.write(paths.list, list, 0o644);
  });
  return paths.list;
}

function refuseToOverwrite(files: Files, paths: Pair, force: boolean, consequence: string): void {
  const taken = [paths.key, paths.certificate].find(path => files.read(path) !== undefined);
  if (taken !== undefined && !force)
    throw new Error(`${taken} is there already: with --force it is replaced, and ${consequence}`);
}

/** Makes the key, has the request for it signed, and leaves either both files or, after a failure, what was there before. */
async function make(
  { exec, files, random }: AuthorityDeps,
  directory: string,
  paths: Pair,
  subject: Pick<ConfigInput, 'mission' | 'name' | 'roles' | 'uris'>,
  signing: readonly string[],
): Promise<Pair> {
  const before = files.read(paths.key);
  return withScratch({ files, random }, directory, async (scratch, issued) => {
    const config = renderConfig({ ...subject, issued, database: `${scratch}.index` });
    try {
      files.write(`${scratch}.cnf`, config);
      files.write(`${scratch}.index`, '');
      files.write(paths.key, await openssl(exec, ['genpkey', '-algorithm', 'ED25519']), 0o600);
      const request = await openssl(exec, ['req', '-new', '-config', `${scratch}.cnf`, '-key', paths.key]);
      files.write(`${scratch}.csr`, request);
      const certificate = await openssl(exec, [
        ...['ca', '-batch', '-notext', '-config', `${scratch}.cnf`, '-in', `${scratch}.csr`],
        ...['-startdate', NOT_BEFORE, ...signing],
      ]);
      files.write(paths.certificate, certificate, 0o644);
      return paths;
    } catch (error) {
      if (before === undefined) files.remove(paths.key);
      else files.write(paths.key, before, 0o600);
      throw error;
    }
  });
}

/** Works with files of its own, whose paths begin with `scratch`; they are gone afterwards. */
async function withScratch<T>(
  { files, random }: Pick<AuthorityDeps, 'files' | 'random'>,
  directory: string,
  work: (scratch: string, issued: string) => Promise<T>,
): Promise<T> {
  const issued = `${directory}/issued`;
  const mine = `.${Array.from(random.bytes(8), byte => byte.toString(16)).join('')}`;
  files.makeDirectory(issued);
  try {
    return await work(`${issued}/${mine}`, issued);
  } finally {
    for (const name of files.list(issued)) if (name.startsWith(mine)) files.remove(`${issued}/${name}`);
  }
}

/** `tolerated`: a complaint that is none. */
async function openssl(exec: Exec, args: readonly string[], tolerated?: RegExp): Promise<string> {
  const result = await exec.run('openssl', args, { timeout: 30_000 }).catch((error: Error) => {
    throw new Error(`${error.message}: install Debian's package openssl`, { cause: error });
  });
  if (result.status !== 0 && tolerated?.test(result.stderr) !== true)
    throw new Error(`openssl ${args[0]} failed with status ${result.status}: ${result.stderr.trim()}`);
  return result.stdout;
}
