/**
 * What FRR is told, against golden files. UPDATE_GOLDEN=1 writes them anew; test/netns/routing-golden.test.ts gives them to FRR.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { problemsOf, type RoutingConfig } from '../../../appliance/routing/config.ts';
import { renderOspf } from '../../../appliance/routing/ospf.ts';
import { address, type Prefix } from '../../../sdk/wire/address.ts';
import { CONFIGS, goldenOf } from '../../support/routing-configs.ts';

const golden = (name: string): string => join(import.meta.dirname, '../../golden/frr', `${name}.conf`);

describe('renderOspf', () => {
  it.each(Object.keys(CONFIGS))('renders %s', name => {
    const text = goldenOf(renderOspf(CONFIGS[name]!));
    if (process.env['UPDATE_GOLDEN'] !== undefined) writeFileSync(golden(name), text);
    expect(text).toBe(readFileSync(golden(name), 'utf8'));
  });

  it('takes the router ID that was found where none is configured', () => {
    expect(renderOspf(CONFIGS['untuned']!, address('10.9.1.1')).get('ospfd')).toContain(
      ' ospf router-id 10.9.1.1\n',
    );
    expect(renderOspf(CONFIGS['external-plain']!, address('10.9.1.1')).get('ospfd')).toContain(
      ' ospf router-id 10.255.0.1\n',
    );
  });

  it('says nothing to an FRR that it neither sets up nor tunes', () => {
    expect(renderOspf({ ...CONFIGS['tuning-only']!, tune: false }).size).toBe(0);
  });
});

describe('problemsOf', () => {
  const good = CONFIGS['external-steps-secured']!;
  const ospf = good.ospf!;

  it.each(Object.keys(CONFIGS))('has nothing against %s', name => {
    expect(problemsOf(CONFIGS[name]!)).toEqual([]);
  });

  it.each<[string, Partial<RoutingConfig>]>([
    ['0 metrics: give 1 to 9', { metrics: [] }],
    ['metrics 20, 20: each only once', { metrics: [20, 20] }],
    ['metric 0: 1 to', { metrics: [0] }],
    ['metric 70000: 1 to 65535', { kind: 'internal', metrics: [70_000] }],
    ['no interface for OSPF', { ospf: { ...ospf, interfaces: [] } }],
    ["'lo' is not the name of a link", { ospf: { ...ospf, interfaces: ['lo'] } }],
    ["'wan0\nrouter bgp 1' is not the name", { ospf: { ...ospf, interfaces: ['wan0\nrouter bgp 1'] } }],
    ["router ID 'fd50::1': a dotted quad", { ospf: { ...ospf, routerId: address('fd50::1') } }],
    ['hello 0: 1 to 16383 s', { ospf: { ...ospf, hello: 0 } }],
    ['BFD interval 5: 10 to 60000 ms', { ospf: { ...ospf, bfd: { interval: 5, multiplier: 3 } } }],
    ['BFD multiplier 1: 2 to 255', { ospf: { ...ospf, bfd: { interval: 50, multiplier: 1 } } }],
    ['key id 0: 1 to 255', { ospf: { ...ospf, authentication: { keyId: 0, key: 'Sesame.42' } } }],
    ['area', { ospf: { ...ospf, area: 'x' as never } }],
    ['prefix', { prefixes: ['10.0.0.0/8 ge 9\nno router ospf' as Prefix] }],
  ])('refuses: %s', (problem, wrong) => {
    expect(problemsOf({ ...good, ...wrong }).join()).toContain(problem);
  });

  it('does not quote a key that it refuses', () => {
    const problems = problemsOf({
      ...good,
      ospf: { ...ospf, authentication: { keyId: 1, key: 'hush hush' } },
    });
    expect(problems.join()).toContain('1 to 16 printable characters');
    expect(problems.join()).not.toContain('hush');
  });
});
