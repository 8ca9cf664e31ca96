/**
 * Configurations of routing whose rendering is kept under test/golden/frr, and which real FRR is given.
 */

import type { RoutingConfig } from '../../appliance/routing/config.ts';
import { address, type Prefix } from '../../sdk/wire/address.ts';

const prefixes = (...texts: readonly string[]): readonly Prefix[] => texts as unknown as readonly Prefix[];
const area = address('0.0.0.0');
const base = { sockets: '/run/frr', tune: true, metrics: [20], prefixes: prefixes('10.50.0.0/16') } as const;

/** By the golden's name. All interfaces named here exist in the test that gives them to FRR. */
export const CONFIGS: Readonly<Record<string, RoutingConfig>> = {
  'external-plain': {
    ...base,
    kind: 'external',
    ospf: { area, interfaces: ['wan0'], routerId: address('10.255.0.1') },
  },
  'external-steps-secured': {
    ...base,
    kind: 'external',
    metrics: [20, 120, 220],
    prefixes: prefixes('10.50.0.0/16', '10.51.1.0/24', '10.52.0.7/32'),
    ospf: {
      area: address('0.0.0.7'),
      interfaces: ['wan0', 'wan1'],
      routerId: address('10.255.0.1'),
      hello: 2,
      bfd: { interval: 50, multiplier: 4 },
      authentication: { keyId: 7, key: 'Sesame.42' },
    },
  },
  'internal-dual-stack': {
    ...base,
    kind: 'internal',
    prefixes: prefixes('10.50.0.0/16', 'fd50::/64'),
    ospf: { area, interfaces: ['wan0'], routerId: address('10.255.0.1'), hello: 1 },
  },
  'external-dual-stack': {
    ...base,
    kind: 'external',
    prefixes: prefixes('10.50.0.0/16', 'fd50::/64', 'fd51::7/128'),
    ospf: {
      area,
      interfaces: ['wan0'],
      routerId: address('10.255.0.1'),
      hello: 1,
      bfd: { interval: 100, multiplier: 3 },
      authentication: { keyId: 1, key: 'Sesame.42' },
    },
  },
  'tuning-only': { ...base, kind: 'external' },
  untuned: { ...base, kind: 'external', tune: false, ospf: { area, interfaces: ['wan0'] } },
};

/** What a golden file holds: each daemon's text behind a line that names it. */
export const goldenOf = (rendered: ReadonlyMap<string, string>): string =>
  [...rendered].map(([daemon, text]) => `!# ${daemon}\n${text}`).join('!\n');
