/** What the kernel tells of IPVS and its routes, damaged: read as something or as nothing, never with an exception. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readConnection } from '../../appliance/ipvs/connections.ts';
import { layFarm } from '../../appliance/ipvs/layout.ts';
import { localRoute, readLocalRoute } from '../../appliance/ipvs/local-routes.ts';
import { encodeStep, readDestination, readFamily, readService } from '../../appliance/ipvs/messages.ts';
import { readTimeouts } from '../../appliance/ipvs/timeouts.ts';
import { address } from '../../sdk/wire/address.ts';
import { farm, member } from '../unit/dataplane/farms.ts';

const vip = address('10.50.0.1');
const [service] = layFarm(farm([member('10.1.0.11')], { affinity: 60 }));
const [destination] = service!.destinations.values();
const whole = [
  encodeStep(40, { do: 'add-service', service: service! }),
  encodeStep(40, { do: 'add-destination', service: service!, destination: destination! }),
  localRoute(vip, true),
].map(bytes => bytes.subarray(16));

const damaged = fc
  .tuple(
    fc.constantFrom(...whole),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
    fc.nat(),
  )
  .map(([bytes, changes, cut]) => {
    const copy = Uint8Array.from(bytes);
    for (const [at, value] of changes) copy[at % copy.length] = value;
    return copy.subarray(0, cut % 3 === 0 ? cut % (copy.length + 1) : copy.length);
  });

test('netlink', () => {
  expect(readService(whole[0]!)).toMatchObject({ name: 'tcp|10.50.0.1|80', timeout: 60, prefix: 32 });
  expect(readDestination(whole[1]!, vip)?.destination).toEqual(destination);
  expect(readLocalRoute(whole[2]!)).toBe(vip);
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), bytes => {
      readService(bytes);
      readDestination(bytes, vip);
      readLocalRoute(bytes);
      readFamily(bytes);
      readTimeouts(bytes);
    }),
    { numRuns: 20_000 },
  );
});

const word = fc.constantFrom(
  ...[
    'TCP',
    'UDP',
    '0A090002',
    'fd09:0000:0000:0000:0000:0000:0000:0002',
    '0050',
    '0000',
    'ESTABLISHED',
    '899',
    'x',
    '',
  ],
);

test('lines of connections', () => {
  expect(readConnection('UDP 0A090002 A1B2 0A320001 0050 0A01000B 1F90 UDP 300')).toMatchObject({
    transport: 'udp',
    client: '10.9.0.2',
    clientPort: 0xa1b2,
    vip: '10.50.0.1',
    server: '10.1.0.11',
    serverPort: 8080,
  });
  const six = (last: number): string => `fd00:0000:0000:0000:0000:0000:0000:000${last}`;
  expect(readConnection(`TCP ${six(1)} A1B2 ${six(2)} 0050 ${six(3)} 0050 ESTABLISHED 899`)).toMatchObject({
    client: 'fd00::1',
    vip: 'fd00::2',
    server: 'fd00::3',
  });
  // A template of persistence, and one that has ended.
  expect(readConnection('TCP 0A090002 0000 0A320001 0050 0A01000B 0050 NONE 60')).toBeUndefined();
  expect(readConnection('TCP 0A090002 A1B2 0A320001 0050 0A01000B 0050 TIME_WAIT 60')).toBeUndefined();
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map(words => words.join(' ')),
      ),
      line => {
        const read = readConnection(line);
        expect(read === undefined || read.clientPort > 0).toBe(true);
      },
    ),
    { numRuns: 5000 },
  );
});
