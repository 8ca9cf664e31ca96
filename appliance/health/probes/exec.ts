/**
 * `exec`: a program of this host's own says whether the service is well, by its exit status: 0 passes.
 *
 * A server names the program; which names there are, and what is run for them, the configuration alone says. What the server
 * says of itself reaches the program in its environment, never in its arguments or through a shell.
 */
import type { Exec } from '../../host/ports.ts';
import { failed, inconclusive, labelOf, type Probe, type ProbeTarget, passed, printable } from '../probe.ts';

/** Name → program and its arguments. */
export type Programs = Readonly<Record<string, readonly string[]>>;

export const execProbe =
  (exec: Exec, programs: Programs): Probe =>
  async (target, attempt) => {
    const label = labelOf(target);
    const { target: name, timeout } = target.check;
    const [file, ...args] = (Object.hasOwn(programs, name) ? programs[name] : undefined) ?? [];
    if (file === undefined)
      return failed('check-invalid', `${label}: no program of this name is in the configuration`);
    attempt.stage = 'still running';
    try {
      const { status, stdout, stderr } = await exec.run(file, args, { timeout, env: environmentOf(target) });
      if (status === 0) return passed(`${label} passed`);
      const said = printable((stderr.trim() || stdout.trim()).split('\n')[0] ?? '');
      const how = status < 0 ? 'was ended' : `exited with ${status}`;
      return failed('check-status', `${label} ${how}${said === '' ? '' : `: ${said}`}`);
    } catch (error) {
      return inconclusive(`${label} could not be checked: ${(error as Error).message}`);
    }
  };

/** What the program is told. All of it was checked when the service was registered. */
const environmentOf = ({ address, port, service, check }: ProbeTarget): Record<string, string> => ({
  BIVOUAC_ADDRESS: address,
  BIVOUAC_PORT: String(port),
  BIVOUAC_SERVICE: service.name,
  BIVOUAC_VIP: service.vip,
  BIVOUAC_TRANSPORT: service.transport,
  BIVOUAC_PROTOCOL: service.protocol,
  BIVOUAC_TIMEOUT_MS: String(check.timeout),
});
