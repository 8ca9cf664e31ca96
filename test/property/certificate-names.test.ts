import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uriNames } from '../../appliance/host/net-certificate.ts';
import { credentialsOf, urisOf } from '../../appliance/pki/claims.ts';

/** A name as node writes it: JSON, with commas escaped, as soon as it holds anything that could end it. */
const written = (value: string): string =>
  /^[^",\\'\p{Cc}]*$/u.test(value) ? value : JSON.stringify(value).replaceAll(',', '\\u002c');

const value = fc.oneof(
  fc.string(),
  fc.constantFrom('a, URI:urn:bivouac:name:*', '", URI:urn:bivouac:vip:*', '\\', '"', ',', ', ', 'URI:', ''),
  fc.string({ unit: fc.constantFrom('"', ',', ' ', '\\', ':', 'URI:', 'x', '\n', '\u0000') }),
);
const name = fc.tuple(fc.constantFrom('DNS', 'URI', 'email', 'IP Address', 'DirName', 'othername'), value);

test('exactly the URI names come out of what node writes, whatever the names hold', () => {
  fc.assert(
    fc.property(fc.array(name, { maxLength: 6 }), names => {
      const text = names.map(([kind, of]) => `${kind}:${written(of)}`).join(', ');
      expect(uriNames(text)).toEqual(names.filter(([kind]) => kind === 'URI').map(([, of]) => of));
    }),
    { numRuns: 2000 },
  );
});

test('no text at all makes it throw, or give a name that is not in it', () => {
  fc.assert(
    fc.property(value, text => {
      for (const uri of uriNames(text)) expect(text).toContain(`URI:${uri === '' ? '' : written(uri)}`);
    }),
  );
});

test('what was understood is written and understood again the same', () => {
  const uri = fc
    .tuple(
      fc.constantFrom('role', 'name', 'vip', 'port', 'x'),
      fc.oneof(
        value,
        fc.constantFrom('server', 'a.b', '*.c', '*', '10.1.2.3/8', '::1', 'tcp/80,90-95', 'udp/*', 'sctp/1'),
      ),
    )
    .map(([kind, of]) => `urn:bivouac:${kind}:${of}`);
  fc.assert(
    fc.property(fc.array(uri, { maxLength: 8 }), uris => {
      const once = credentialsOf(uris);
      expect(credentialsOf(urisOf(once))).toEqual({ ...once, ignored: [] });
    }),
  );
});
