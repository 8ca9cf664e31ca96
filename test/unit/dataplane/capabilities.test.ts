import { expect, test } from 'vitest';
import { capabilities } from '../../../appliance/dataplane/capabilities.ts';
import { address } from '../../../sdk/wire/address.ts';
import { Registry, service } from '../../support/registry.ts';

const forward = (mode: 'nat' | 'direct' | 'none') => ({ mode, scheduler: 'wrr', affinity: 0 }) as const;
const vip6 = address('2001:db8::1');

test('a service that the kernel cannot carry is refused when it registers, with the sentence', () => {
  const registry = new Registry({ cannotCarry: capabilities.cannotCarry });
  registry.serve(1, { name: 'mcu' });
  const [decision] = registry.say(1, {
    type: 'register-service',
    service: service(address('10.255.0.1'), { id: 2, transport: 'sctp' }),
  });
  // No lease of that VIP: the lease comes first.
  expect(decision?.reason.code).toBe('no-lease');
  const [vip] = [...registry.state.leases.keys()];
  const [refused] = registry.say(1, {
    type: 'register-service',
    service: service(vip!, { id: 2, transport: 'sctp' }),
  });
  expect(refused?.reason).toEqual({
    code: 'unsupported-mode',
    sentence: 'this manager cannot forward SCTP: use mode none',
  });
});

test.each([
  ['direct to an IPv6 VIP', service(vip6, { forward: forward('direct') }), /IPv4 VIPs only: use nat/],
  ['nat of SCTP', service(vip6, { transport: 'sctp' }), /SCTP/],
])('%s cannot be carried', (_, spec, why) => {
  expect(capabilities.cannotCarry(spec)).toMatch(why);
});

test.each([
  ['nat to an IPv6 VIP', service(vip6)],
  ['direct to an IPv4 VIP', service(address('10.255.0.1'), { forward: forward('direct') })],
  ['SCTP that is not forwarded', service(vip6, { transport: 'sctp', forward: forward('none') })],
])('%s can', (_, spec) => {
  expect(capabilities.cannotCarry(spec)).toBeUndefined();
});
