import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderOspf } from '../../../appliance/routing/ospf.ts';
import { commandsFor, hasLine, linesUnder } from '../../../appliance/routing/running-config.ts';
import { CONFIGS } from '../../support/routing-configs.ts';

const RUNNING = `Current configuration:
!
frr version 8.4.4
frr defaults traditional
!
interface wan0
 ip ospf area 0.0.0.0
exit
!
bfd
 profile bivouac
  transmit-interval 50
 exit
 !
exit
!
router ospf
 ospf router-id 10.0.0.1
 timers throttle spf 0 0 50
exit
!
ip prefix-list BIVOUAC-VIPS seq 5 permit 10.50.0.0/16 ge 32
ip prefix-list THEIRS seq 5 permit 10.0.0.0/8
route-map BIVOUAC permit 10
 match ip address prefix-list BIVOUAC-VIPS
 match ip next-hop prefix-list BIVOUAC-STEP-1
 set metric 120
exit
end
`;

describe('commandsFor', () => {
  it('sends only what is missing, under its headers', () => {
    const wanted =
      'interface wan0\n ip ospf area 0.0.0.0\n ip ospf bfd\nexit\n' +
      'bfd\n profile bivouac\n  transmit-interval 50\n  receive-interval 50\nexit\n' +
      'route-map BIVOUAC permit 10\n match ip address prefix-list BIVOUAC-VIPS\n set metric 20\nexit\n' +
      'ip prefix-list BIVOUAC-VIPS seq 5 permit 10.50.0.0/16 ge 32\n';
    expect(commandsFor(RUNNING, wanted)).toEqual([
      ...['interface wan0', 'ip ospf bfd', 'exit'],
      ...['bfd', 'profile bivouac', 'receive-interval 50', 'exit', 'exit'],
      ...['route-map BIVOUAC permit 10', 'set metric 20', 'exit'],
      ...['route-map BIVOUAC permit 10', 'no match ip next-hop prefix-list BIVOUAC-STEP-1', 'exit'],
    ]);
  });

  it('takes out what is ours and no longer wanted, and nothing of others', () => {
    expect(commandsFor(RUNNING, '')).toEqual([
      'no ip prefix-list BIVOUAC-VIPS seq 5 permit 10.50.0.0/16 ge 32',
      'no route-map BIVOUAC permit 10',
    ]);
  });

  it.each(Object.keys(CONFIGS))('has nothing to say to an FRR that has %s', name => {
    for (const text of renderOspf(CONFIGS[name]!).values()) {
      expect(commandsFor(text, text)).toEqual([]);
      expect(commandsFor('', text)).not.toEqual([]);
    }
  });

  it('finds its way through any text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), text => {
        const padded = `${text}\n${RUNNING}`;
        expect(commandsFor(padded, padded)).toEqual([]);
      }),
    );
  });
});

it('finds headers and the lines under them', () => {
  expect(hasLine(RUNNING, 'router ospf')).toBe(true);
  expect(hasLine(RUNNING, 'router ospf6')).toBe(false);
  expect(linesUnder(RUNNING, 'router ospf')).toEqual([
    'ospf router-id 10.0.0.1',
    'timers throttle spf 0 0 50',
  ]);
});
