import { describe, expect, test } from 'vitest';
import type { Decision } from '../../../appliance/registry/decision.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import { ANYTHING, Registry, serverId, service } from '../../support/registry.ts';

const code = (decisions: readonly Decision[]): string | undefined =>
  decisions.find(decision => decision.kind === 'refused')?.reason.code;

describe('what is refused, with a code', () => {
  test.each<[string, string, (registry: Registry) => readonly Decision[]]>([
    [
      'a message before register',
      'not-registered',
      r => r.say(1, { type: 'lease-request', family: 4, shared: false, service: 'x' }),
    ],
    [
      'a version that nobody speaks',
      'version',
      r =>
        r.say(1, {
          type: 'register',
          versions: [7, 9],
          server: serverId(1),
          name: 's',
          addresses: [],
          epoch: 1,
          heartbeat: 0,
          leases: [],
          software: '',
        }),
    ],
    [
      'an identity that is not the certificate’s',
      'not-permitted',
      r => r.register(1, 1, { ...ANYTHING, server: serverId(2) }),
    ],
    ['an epoch that goes back', 'epoch-stale', r => (r.register(1, 5), r.register(1, 4))],
    [
      'a VIP outside the pools',
      'not-permitted',
      r => (
        r.register(1),
        r.say(1, { type: 'lease-request', vip: address('192.0.2.1'), family: 4, shared: false, service: 'x' })
      ),
    ],
    [
      'a VIP that another holds',
      'vip-taken',
      r => (
        lease(r, 1, false),
        r.register(2),
        r.say(2, { type: 'lease-request', vip: address('10.255.0.9'), family: 4, shared: true, service: 'x' })
      ),
    ],
    [
      'a service with no lease',
      'no-lease',
      r => (r.register(1), r.say(1, { type: 'register-service', service: service(address('10.255.0.9')) })),
    ],
    [
      'ports that overlap another’s',
      'conflict',
      r => (r.serve(1), register2(r, { ports: [{ first: 79, last: 81 }] })),
    ],
    [
      'forwarding that differs from the farm’s',
      'conflict',
      r => (r.serve(1), register2(r, { forward: { mode: 'direct', scheduler: 'wrr', affinity: 0 } })),
    ],
    [
      'a mode that the driver lacks',
      'unsupported-mode',
      r => (r.serve(1), register2(r, { forward: { mode: 'tunnel', scheduler: 'wrr', affinity: 0 } })),
    ],
    [
      'a target port for a range',
      'invalid-service',
      r => (r.serve(1), register2(r, { targetPort: 8080, ports: [{ first: 90, last: 91 }] })),
    ],
    [
      'a drain of nothing',
      'unknown-service',
      r => (r.register(1), r.say(1, { type: 'drain-service', service: 7 })),
    ],
    ['a release of a VIP in use', 'conflict', r => r.say(1, { type: 'lease-release', vip: r.serve(1) })],
    ['anything new while stopping', 'shutting-down', r => (r.feed({ type: 'stop' }), r.register(1))],
  ])('%s: %s', (_, expected, run) => {
    const registry = new Registry();
    const decisions = run(registry);
    expect(code(decisions)).toBe(expected);
    const refusal = decisions.find(decision => decision.kind === 'refused')!;
    expect(refusal.reply?.message).toMatchObject({
      type: 'refused',
      code: expected,
      sentence: refusal.reason.sentence,
    });
  });

  test('limits say when they are reached', () => {
    const registry = new Registry({ limits: { servers: 1, servicesPerServer: 1, leasesPerServer: 1 } });
    const vip = registry.serve(1);
    expect(code(registry.register(2))).toBe('limit');
    expect(
      code(
        registry.say(1, {
          type: 'register-service',
          service: service(vip, { id: 2, ports: [{ first: 81, last: 81 }] }),
        }),
      ),
    ).toBe('limit');
    const request = { type: 'lease-request', family: 4, shared: false, service: 'other' } as const;
    expect(code(registry.say(1, request))).toBe('limit');
    expect(code(registry.say(1, { ...request, vip: address('10.255.0.5') }))).toBe('limit');
    expect(registry.say(1, { ...request, vip, shared: true })[0]?.kind).toBe('lease-granted');
  });

  test('an exhausted pool says so', () => {
    const registry = new Registry({ pools: [{ family: 4, first: 0x0aff0000n, last: 0x0aff0000n }] });
    lease(registry, 1, false);
    registry.register(2);
    expect(code(registry.say(2, { type: 'lease-request', family: 4, shared: false, service: 'x' }))).toBe(
      'pool-exhausted',
    );
  });
});

function lease(
  registry: Registry,
  number: number,
  shared: boolean,
  vip: Address | undefined = address('10.255.0.9'),
): void {
  registry.register(number);
  const only = registry.config.pools[0]!.first === registry.config.pools[0]!.last;
  registry.say(number, { type: 'lease-request', ...(only ? {} : { vip }), family: 4, shared, service: 'x' });
}

function register2(registry: Registry, changes: object): readonly Decision[] {
  registry.register(2);
  const [granted] = registry.say(2, {
    type: 'lease-request',
    family: 4,
    shared: true,
    service: 'www.mission',
  });
  return registry.say(2, { type: 'register-service', service: service(granted!.vip!, changes) });
}
