/**
 * Services to check and servers that answer as a test says, on the virtual network.
 */
import type { Probe, ProbeResult, ProbeTarget } from '../../../appliance/health/probe.ts';
import { createProbes } from '../../../appliance/health/probes.ts';
import type { Stream } from '../../../appliance/host/ports.ts';
import { checkedPort } from '../../../appliance/registry/same-check.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import type { Check, Service } from '../../../sdk/wire/model.ts';
import { type VirtualWorld, virtualWorld } from '../../support/virtual.ts';

export const SERVER = address('10.0.0.2');

export function service(check: Partial<Check> = {}, more: Partial<Service> = {}): Service {
  return {
    id: 1,
    name: 'mcu.example',
    vip: address('192.0.2.1'),
    transport: 'tcp',
    ports: [{ first: 1720, last: 1720 }],
    targetPort: 0,
    protocol: 'h323',
    weight: 1,
    capacity: 0,
    forward: { mode: 'nat', scheduler: 'wrr', affinity: 0 },
    check: {
      kind: 'tcp',
      port: 0,
      interval: 1_000,
      timeout: 500,
      rise: 2,
      fall: 3,
      target: '',
      expectText: '',
      expectStatus: [0, 0],
      send: new Uint8Array(),
      expect: new Uint8Array(),
      ...check,
    },
    ...more,
  };
}

export function targetOf(spec: Service, at: Address = SERVER): ProbeTarget {
  return { address: at, port: checkedPort(spec), service: spec, check: spec.check };
}

/** A manager that checks and a server at SERVER, 1 ms apart. */
export function bench(seed = 1) {
  const world = virtualWorld({ seed, quality: { latency: 1 } });
  const manager = world.network.host('manager', '10.0.0.1', 'fd00::1');
  const server = world.network.host('server', '10.0.0.2', 'fd00::2');
  const programs = { good: ['/bin/good', '-x'] };
  const { random, exec } = world;
  const probes = createProbes({ net: manager.net, random, raw: manager.raw, exec, programs });
  return { world, manager, server, probes };
}

/** Runs a probe alone, to its result or to its timeout (as the scheduler would word the stage: in `stage`). */
export async function attempt(
  world: VirtualWorld,
  probe: Probe,
  target: ProbeTarget,
): Promise<ProbeResult & { readonly stage: string }> {
  const abort = new AbortController();
  const run = { signal: abort.signal, stage: '' };
  const overdue = world.clock.after('timeout', target.check.timeout, () => abort.abort());
  const result = await world.clock.runToEnd(probe(target, run));
  overdue.cancel();
  return { ...result, stage: run.stage };
}

/** A TCP server on the virtual host: gives what it heard so far to `answer`, which writes as it likes. */
export async function answering(
  server: ReturnType<typeof bench>['server'],
  port: number,
  answer: (heard: string, stream: Stream) => void,
): Promise<void> {
  await server.net.listen(
    { address: SERVER, port },
    stream => {
      let heard = '';
      return {
        onData(bytes) {
          heard += Buffer.from(bytes).toString('latin1');
          answer(heard, stream);
        },
        onClose() {},
      };
    },
    () => {},
  );
}

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
export const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
