import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Claims } from '../../appliance/registry/events.ts';
import { permitsName, permitsPorts, permitsVip } from '../../appliance/registry/permits.ts';
import { addressFromBytes } from '../../sdk/wire/address.ts';

const none: Claims = { server: undefined, names: [], vips: [], ports: [] };

const portRange = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 12 }))
  .map(([first, length]) => ({ first, last: first + length }));

test('a range of ports is permitted exactly when each of its ports is in a limit of its transport', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('tcp', 'udp', 'sctp'), portRange), { maxLength: 8 }),
      fc.constantFrom('tcp' as const, 'udp' as const),
      portRange,
      (limits, transport, wanted) => {
        const ports = limits.map(([of, { first, last }]) => `${of}/${first}-${last}`);
        let every = true;
        for (let port = wanted.first; port <= wanted.last; port++)
          every &&= limits.some(([of, { first, last }]) => of === transport && first <= port && port <= last);
        expect(permitsPorts({ ...none, ports }, transport, wanted) === undefined).toBe(every);
      },
    ),
  );
});

test('a VIP is permitted exactly when it has the leading bits of a limit', () => {
  const bytes = fc.uint8Array({ minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(bytes, bytes, fc.integer({ min: 0, max: 32 }), fc.boolean(), (base, other, length, near) => {
      const vip = Uint8Array.from(base, (byte, index) => (near && index < 3 ? byte : other[index]!));
      const bits = (of: Uint8Array) =>
        Array.from(of, byte => byte.toString(2).padStart(8, '0'))
          .join('')
          .slice(0, length);
      const limit = `${addressFromBytes(base)}/${length}`;
      const permitted = permitsVip({ ...none, vips: [limit] }, addressFromBytes(vip)!) === undefined;
      expect(permitted).toBe(bits(base) === bits(vip));
    }),
  );
});

test('a name is permitted exactly when it is a limit or has one more label than a wildcard', () => {
  const label = fc.constantFrom('a', 'b', 'mcu', 'xmcu', 'mission');
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map(labels => labels.join('.'));
  fc.assert(
    fc.property(name, name, fc.boolean(), (limit, wanted, wildcard) => {
      const expected = wildcard
        ? wanted.split('.').length > limit.split('.').length &&
          wanted.split('.').slice(-limit.split('.').length).join('.') === limit
        : wanted === limit;
      const names = [wildcard ? `*.${limit}` : limit];
      expect(permitsName({ ...none, names }, wanted) === undefined).toBe(expected);
    }),
  );
});

test('more limits never permit less', () => {
  const limit = fc.constantFrom('tcp/1-20', 'tcp/30', 'udp/*', 'tcp/21-29', 'nonsense', 'tcp/9-3');
  fc.assert(
    fc.property(fc.array(limit), limit, portRange, (ports, added, wanted) => {
      const before = permitsPorts({ ...none, ports }, 'tcp', wanted) === undefined;
      const after = permitsPorts({ ...none, ports: [...ports, added] }, 'tcp', wanted) === undefined;
      expect(before && !after).toBe(false);
    }),
  );
});
