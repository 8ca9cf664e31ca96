/**
 * A node as containerlab makes it: a container of the node's image, without a network, into which links are moved later. It needs a Docker
 * engine (`DOCKER_HOST` says which) that has the image: see firmware-build/README.md.
 *
 * Unlike containerlab's, the container is not privileged: it has every capability but CAP_SYS_RESOURCE, which is all that the lab needs.
 */
import type { Node } from '../topology/model.ts';
import { must, run } from './process.ts';

/** Milliseconds that the engine may take for one container, when it starts all of a lab's at once. */
const PATIENCE = 120_000;

/** Process 1 adopts orphans and buries them; the node's own command is started beside it, once the links are to come. */
const INIT = 'while :; do sleep 1000000 & wait $! || :; done';

/** As containerlab calls it. */
const containerName = (lab: string, node: Node): string => `clab-${lab}-${node.name}`;

/** The words that start it. Pure. */
export function renderContainer(
  lab: string,
  node: Node,
  env: Readonly<Record<string, string>>,
): readonly string[] {
  return [
    ...['docker', 'run', '--detach', '--rm', '--network', 'none'],
    ...['--name', containerName(lab, node), '--hostname', node.name],
    ...['--cap-add', 'ALL', '--cap-drop', 'SYS_RESOURCE'],
    ...['systempaths', 'apparmor', 'seccomp'].flatMap(name => ['--security-opt', `${name}=unconfined`]),
    // As containerlab has it: an engine gives a container without a network no IPv6.
    ...Object.entries({ 'net.ipv6.conf.all.disable_ipv6': '0', ...node.sysctls }).flatMap(([key, value]) => [
      '--sysctl',
      `${key}=${value}`,
    ]),
    ...node.binds.flatMap(({ source, target, readOnly }) => [
      '--volume',
      `${source}:${target}:${readOnly ? 'ro' : 'rw'}`,
    ]),
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...[node.image, 'sh', '-c', INIT],
  ];
}

/** Starts it; gives the number of its process 1 as the host counts. */
export async function startContainer(
  lab: string,
  node: Node,
  env: Readonly<Record<string, string>>,
): Promise<number> {
  // Of a lab that was taken down a moment ago the engine may still hold it.
  await run(['docker', 'rm', '--force', containerName(lab, node)], { timeout: PATIENCE });
  const id = (await must(renderContainer(lab, node, env), { timeout: PATIENCE })).trim();
  const pid = Number(
    await must(['docker', 'inspect', '--format', '{{.State.Pid}}', id], { timeout: PATIENCE }),
  );
  if (!(pid > 0)) throw new Error(`node '${node.name}': its container ended at once`);
  return pid;
}
