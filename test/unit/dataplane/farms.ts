/** Farms for the tests of plan and render. */

import type { Farm, FarmKey, Member } from '../../../appliance/desired/wanted.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ServerId } from '../../../sdk/wire/model.ts';

export const member = (at: string, rest: Partial<Member> = {}): Member => ({
  server: at as unknown as ServerId,
  address: address(at),
  port: 0,
  weight: 1,
  accepts: true,
  ...rest,
});

/** A farm of TCP port 80 at 10.50.0.1, nat, wrr, unless `rest` says otherwise. */
export function farm(members: readonly Member[], rest: Partial<Farm> = {}): Farm {
  const vip = rest.vip ?? address('10.50.0.1');
  const transport = rest.transport ?? 'tcp';
  const ports = rest.ports ?? { first: 80, last: 80 };
  return {
    key: `${vip}|${transport}|${ports.first}-${ports.last}` as FarmKey,
    vip,
    transport,
    ports,
    mode: 'nat',
    scheduler: 'wrr',
    affinity: 0,
    members,
    ...rest,
  };
}

/** One of each kind, as the golden files show them. */
export const gallery: readonly Farm[] = [
  farm([member('10.1.0.11', { weight: 2 }), member('10.1.0.12')]),
  farm([member('10.1.0.11', { port: 8080 }), member('10.1.0.12', { accepts: false, port: 8080 })], {
    ports: { first: 443, last: 443 },
    affinity: 300,
  }),
  farm([member('10.1.0.11')], { transport: 'udp', ports: { first: 5000, last: 5999 }, mode: 'direct' }),
  farm([member('10.1.0.11'), member('10.1.0.13')], {
    ports: { first: 1720, last: 1720 },
    mode: 'direct',
    affinity: 60,
  }),
  farm([member('fd01::11'), member('fd01::12', { accepts: false })], { vip: address('fd50::1') }),
  farm([member('10.1.0.11', { accepts: false })], { vip: address('10.50.0.2') }),
];
