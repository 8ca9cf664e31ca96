import { describe, expect, it } from 'vitest';
import { loadAgentConfig } from '../../../appliance/agent/config.ts';
import { formatFault } from '../../../appliance/config/faults.ts';

const web = { name: 'www.example.org', protocol: 'http', ports: 80 };

function faultsOf(value: unknown): string[] {
  const loaded = loadAgentConfig(typeof value === 'string' ? value : JSON.stringify(value, null, 1));
  return 'faults' in loaded ? loaded.faults.map(fault => formatFault('agent.json', fault)) : [];
}

describe('the agent’s configuration', () => {
  it('is short, with defaults for the rest', () => {
    const loaded = loadAgentConfig(JSON.stringify({ plain: true, services: [web] }));
    expect(loaded).toMatchObject({
      config: {
        manager: undefined,
        report: 1000,
        drain: 30_000,
        state: '/var/lib/bivouac-agent/agent.json',
        services: [
          {
            ...web,
            transport: 'tcp',
            vip: 'auto',
            forward: { mode: 'direct', scheduler: 'wrr', affinity: 0 },
          },
        ],
      },
    });
  });

  it.each([
    ['an IPv4 VIP', {}, 'direct'],
    ['an IPv6 VIP', { vip: 'fd50::1' }, 'nat'],
    ['an IPv6 VIP out of the pools', { family: 6 }, 'nat'],
    ['a mapped port', { targetPort: 8080 }, 'nat'],
    ['SCTP', { transport: 'sctp' }, 'none'],
    ['what is said', { forward: { mode: 'none' } }, 'none'],
    ['what is said, for the manager to judge', { vip: 'fd50::1', forward: { mode: 'direct' } }, 'direct'],
  ])('forwards %s as it can be, and says why', (_, rest, mode) => {
    const loaded = loadAgentConfig(JSON.stringify({ plain: true, services: [{ ...web, ...rest }] }));
    if ('faults' in loaded) throw new Error(JSON.stringify(loaded.faults));
    const [service] = loaded.config.services;
    expect(service!.forward?.mode).toBe(mode);
    if ('forward' in rest) expect(service!.chosen).toBeUndefined();
    else expect(service!.chosen).toMatchObject({ mode, reason: expect.stringMatching(/\w/) });
  });

  it('reads bytes of a check in hex, and a check of the agent’s own', () => {
    const service = {
      ...web,
      check: { kind: 'udp', send: '0aff', expect: '' },
      local: { kind: 'exec', command: ['/bin/true'] },
    };
    const loaded = loadAgentConfig(JSON.stringify({ plain: true, services: [service] }));
    expect(loaded).toMatchObject({
      config: {
        services: [
          {
            check: { send: Uint8Array.of(10, 255), expect: new Uint8Array(0) },
            local: { interval: 1000, timeout: 500, rise: 1, fall: 2 },
          },
        ],
      },
    });
  });

  it.each([
    ['{ "plain": true,\n "services": [ }', /^agent\.json:\d: not JSON/],
    [{ services: [web] }, /neither 'tls' nor 'plain'/],
    [{ plain: true }, /'services' is missing/],
    [{ plain: true, services: [] }, /\/services: \[\] must NOT have fewer than 1 items/],
    [
      { plain: true, services: [{ ...web, port: 80 }] },
      /\/services\/0: unknown key 'port': one of name, .*ports/,
    ],
    [
      { plain: true, services: [{ ...web, vip: '10.0.0.256' }] },
      /:8: \/services\/0\/vip: '10.0.0.256' must be 'auto' or an IP/,
    ],
    [{ plain: true, services: [{ ...web, ports: 0 }] }, /\/services\/0\/ports: 0 must be >= 1/],
    [{ plain: true, services: [{ ...web, ports: '90-80' }] }, /\/services\/0: port: "90-80"/],
    [{ plain: true, manager: ['cell'], services: [web] }, /\/manager\/0: 'cell' must be an address/],
    [{ plain: true, services: [{ ...web, local: { kind: 'exec' } }] }, /\/local: 'command' is missing/],
    [{ plain: true, services: [{ ...web, targetPort: 8080, forward: { mode: 'direct' } }] }, /'nat' mode/],
    [{ plain: true, tls: { ca: 'a', certificate: 'b', key: 'c' }, services: [web] }, /\/plain/],
    [
      { plain: true, services: [{ ...web, check: { kind: 'udp', send: 'abc' } }] },
      /'abc' must be up to 512 bytes in hex/,
    ],
  ])('%j is refused with the line, the value and the mend', (value, expected) => {
    const faults = faultsOf(value);
    expect(faults.length).toBeGreaterThan(0);
    expect(faults.join('\n')).toMatch(expected);
  });
});
