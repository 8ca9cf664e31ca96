/** Whatever is on the link as DHCP: nothing throws, nothing is read beyond its end, nothing grows past its bound. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeDhcp } from '../../appliance/roaming/dhcp-message.ts';
import { LeaseView, MOST_ASKING, MOST_HOSTS } from '../../appliance/roaming/lease-view.ts';
import { udpPayload } from '../../appliance/roaming/udp-frame.ts';
import { dhcpBytes, dhcpFrame } from '../support/dhcp.ts';

const type = fc.constantFrom(
  'discover',
  'offer',
  'request',
  'decline',
  'ack',
  'nak',
  'release',
  'inform' as const,
);
const ip = fc.constantFrom('10.1.0.1', '10.1.0.2', '0.0.0.0', '255.255.255.255');
const fields = fc.record(
  {
    mac: fc.nat(50).map(last => `02:00:00:00:00:${last.toString(16).padStart(2, '0')}`),
    current: ip,
    given: ip,
    relay: ip,
    requested: ip,
    lease: fc.nat(0xffffffff),
    client: fc.array(fc.nat(3), { maxLength: 255 }),
    name: fc.string({ maxLength: 60 }),
    more: fc.array(
      fc.tuple(fc.constantFrom(12, 52, 53, 61, 82, 0, 255), fc.array(fc.nat(255), { maxLength: 9 })),
      {
        maxLength: 4,
      },
    ),
  },
  { requiredKeys: [] },
);
const written = fc.tuple(type, fields).map(([kind, values]) => dhcpBytes(kind as 'ack', values));
const changes = fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 5 });
const damaged = fc
  .tuple(written, changes, fc.option(fc.nat(700), { nil: undefined }))
  .map(([bytes, edits, cut]) => {
    const copy = Uint8Array.from(bytes);
    for (const [at, value] of edits) if (at < copy.length) copy[at] = value;
    return copy.subarray(0, cut ?? copy.length);
  });

test('messages, and what is remembered of them', () => {
  const view = new LeaseView();
  let [good, now] = [0, 0];
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), written, damaged), bytes => {
      const message = decodeDhcp(bytes);
      if (typeof message === 'string') return;
      good++;
      expect(message.hardware.length).toBeLessThanOrEqual(17);
      expect(message.name).toMatch(/^[!-~]{0,63}$/);
      const sighting = view.observe(message, 'lan0', now++);
      if (sighting && sighting.kind !== 'left') expect(sighting.address).toMatch(/^10\.|^\d/);
    }),
    { numRuns: 5000 },
  );
  expect(good).toBeGreaterThan(500);
  expect(view.list(now).length).toBeLessThanOrEqual(MOST_HOSTS + MOST_ASKING);
  expect(view.list(Number.MAX_SAFE_INTEGER)).toEqual([]);
  // Nothing is left in the indexes of what was forgotten.
  for (const index of Object.values(view)) expect((index as Map<string, unknown>).size).toBe(0);
});

test('frames', () => {
  let good = 0;
  const frame = dhcpFrame('ack', { given: '10.1.0.2' });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), changes), input => {
      const bytes = input instanceof Uint8Array ? input : Uint8Array.from(frame);
      if (!(input instanceof Uint8Array))
        for (const [at, value] of input) if (at % 50 < bytes.length) bytes[at % 50] = value;
      const payload = udpPayload(bytes);
      if (payload === undefined) return;
      good++;
      expect(payload.byteOffset + payload.length).toBeLessThanOrEqual(bytes.byteOffset + bytes.length);
    }),
    { numRuns: 3000 },
  );
  expect(good).toBeGreaterThan(100);
});
