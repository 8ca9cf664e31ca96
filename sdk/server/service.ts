/**
 * Services as a program describes them, completed with the defaults, checked, and grouped by the lease that they need.
 */
import { invalid, type Ports, portRanges, questionOf } from '../client/question.ts';
import { type Address, parseAddress } from '../wire/address.ts';
import type { Check, CheckKind, Forward, Service, Transport } from '../wire/model.ts';

/** One service. Everything but its name, protocol and ports has a default. */
export interface ServiceOptions {
  /** DNS name. */
  readonly name: string;
  /** Application protocol: `http`, `h323`… */
  readonly protocol: string;
  readonly transport?: Transport;
  /** Ports on the VIP. */
  readonly ports: Ports | readonly Ports[];
  /** `auto` (default): leased out of the manager's pools, the same for all services of one name; or an address. */
  readonly vip?: string;
  /** Several servers may hold the VIP at once (anycast). Default: true for a VIP that is named, false for `auto`. */
  readonly shared?: boolean;
  /** Of an `auto` VIP. Default 4. */
  readonly family?: 4 | 6;
  /** Port on the server, if it is another (`nat` mode with a single port only). */
  readonly targetPort?: number;
  /** Share of new connections, 1…1000. Default 100. */
  readonly weight?: number;
  /** Connections that it can carry at once; 0 = not said. */
  readonly capacity?: number;
  /** How the manager checks it. Default: `tcp` for TCP services, `none` for others; the timeout 500 ms, or the interval if that is less. */
  readonly check?: Partial<Check> & { readonly kind: CheckKind };
  /** Default: `nat` (for SCTP, which is not forwarded, `none`), weighted round robin, no affinity. */
  readonly forward?: Partial<Forward>;
}

/** A service but for its VIP, which is known once it is leased. */
export type ServicePlan = Omit<Service, 'vip'>;

/** Services that live at one VIP. */
export interface LeasePlan {
  /** Stable for as long as the plan says the same. */
  readonly key: string;
  /** Undefined: any out of the pools. */
  readonly vip: Address | undefined;
  readonly family: 4 | 6;
  readonly shared: boolean;
  /** The name that the manager knows the lease by. */
  readonly service: string;
  readonly services: readonly ServicePlan[];
}

const CHECK: Omit<Check, 'kind' | 'timeout'> = {
  port: 0,
  interval: 1000,
  rise: 1,
  fall: 2,
  target: '',
  expectText: '',
  expectStatus: [0, 0],
  send: new Uint8Array(0),
  expect: new Uint8Array(0),
};
/** Unless it is longer than the interval. */
const TIMEOUT = 500;
/** What only direct servers have to be set up for, and no manager can do for SCTP. */
const forwardOf = (transport: Transport): Forward => ({
  mode: transport === 'sctp' ? 'none' : 'nat',
  scheduler: 'wrr',
  affinity: 0,
});

/** Services get the ids 1, 2, … in their order. Throws BivouacError EINVAL, naming the service and what is wrong. */
export function leasePlans(services: readonly ServiceOptions[]): LeasePlan[] {
  const plans = new Map<string, LeasePlan & { readonly services: ServicePlan[] }>();
  for (const [index, options] of services.entries()) {
    const where = `services[${index}]`;
    const service = planOf(index + 1, where, options);
    const wish = options.vip ?? 'auto';
    const vip = wish === 'auto' ? undefined : parseAddress(wish);
    if (wish !== 'auto' && vip === undefined) throw invalid(`${where}.vip`, wish, "'auto' or an IP address");
    const shared = options.shared ?? vip !== undefined;
    const family = vip === undefined ? (options.family ?? 4) : vip.includes(':') ? 6 : 4;
    const key = vip ?? `auto ${family} ${shared ? 'shared' : 'own'} ${service.name}`;
    const plan = plans.get(key) ?? { key, vip, family, shared, service: service.name, services: [] };
    if (plan.shared !== shared)
      throw invalid(`${where}.shared`, shared, `what the other services at ${wish} have`);
    plan.services.push(service);
    plans.set(key, plan);
  }
  return [...plans.values()];
}

function planOf(id: number, where: string, options: ServiceOptions): ServicePlan {
  const { protocol, transport = 'tcp', targetPort = 0, weight = 100, capacity = 0 } = options;
  const { name } = questionOf({ name: options.name, protocol, transport }); // The same words as in a query.
  const ports = portRanges(options.ports);
  const check = { kind: transport === 'tcp' ? ('tcp' as const) : ('none' as const), ...options.check };
  const forward = { ...forwardOf(transport), ...options.forward };
  if (!Number.isInteger(weight) || weight < 1 || weight > 1000)
    throw invalid(`${where}.weight`, weight, '1…1000');
  const single = ports.length === 1 && ports[0]!.first === ports[0]!.last;
  if (targetPort !== 0 && (!['nat', 'redirect'].includes(forward.mode) || !single))
    throw invalid(
      `${where}.targetPort`,
      targetPort,
      "none: it goes with 'redirect' or 'nat' mode and a single port only",
    );
  const { interval = CHECK.interval } = check;
  const spec = { ...CHECK, timeout: Math.min(TIMEOUT, interval), ...check };
  if (spec.timeout > spec.interval)
    throw invalid(`${where}.check.timeout`, spec.timeout, `at most the interval, ${spec.interval} ms`);
  return {
    id,
    name: name!,
    transport,
    ports,
    targetPort,
    protocol,
    weight,
    capacity,
    check: spec,
    forward,
  };
}
