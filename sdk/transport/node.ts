/**
 * The environment that Node gives: its timers, sockets, resolver and interfaces.
 */
import { randomBytes } from 'node:crypto';
import { lookup, resolveSrv } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { networkInterfaces, uptime } from 'node:os';
import { type Address, parseAddress } from '../wire/address.ts';
import type { Environment } from './environment.ts';
import { defaultGateways } from './gateway.ts';
import { capLinks } from './node-links.ts';
import { connect } from './node-stream.ts';
import { datagram } from './node-udp.ts';

/** A timer longer than Node's limit (2^31-1 ms) fires at that. */
const LONGEST = 0x7fffffff;

/** Made once a process is enough; it holds nothing open by itself. */
export const nodeEnvironment = (): Environment => ({
  clock: {
    now: () => performance.now(),
    after(_name, delay, run) {
      const timer = setTimeout(run, Math.min(Math.max(0, delay), LONGEST));
      return { cancel: () => clearTimeout(timer) };
    },
  },
  random: { uniform: Math.random, bytes: length => Uint8Array.from(randomBytes(length)) },
  net: { connect, datagram },
  links: capLinks,
  async resolve(name) {
    try {
      const found = await lookup(name, { all: true });
      return found.map(entry => parseAddress(entry.address)).filter(entry => entry !== undefined);
    } catch {
      return [];
    }
  },
  async services(name) {
    try {
      const found = await resolveSrv(name);
      return found.map(({ name: target, ...record }) => ({ target, ...record }));
    } catch {
      return [];
    }
  },
  gateways: () => defaultGateways(text('/proc/net/route'), text('/proc/net/ipv6_route')),
  addresses,
  // uptime() counts by CLOCK_BOOTTIME, which goes on while the machine is suspended; performance.now() by CLOCK_MONOTONIC.
  asleep: () => uptime() * 1000 - performance.now(),
});

function addresses(): readonly Address[] {
  return Object.values(networkInterfaces())
    .flatMap(entries => entries ?? [])
    .filter(entry => !entry.internal && !entry.address.startsWith('fe80:'))
    .map(entry => parseAddress(entry.address))
    .filter(entry => entry !== undefined);
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // Not Linux, or no IPv6.
  }
}
