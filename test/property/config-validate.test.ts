/**
 * The validator of configurations against ajv, as a second opinion: the same violations in the same places, and the same defaults.
 */
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import agentSchema from '../../appliance/agent/agent.schema.json' with { type: 'json' };
import managerSchema from '../../appliance/config/bivouac.schema.json' with { type: 'json' };
import { type Formats, type Schema, validate } from '../../appliance/config/validate.ts';
import profileSchema from '../../firmware-build/profile.schema.json' with { type: 'json' };

/** Formats stand in for the real ones: what counts is that they are asked. */
const formats: Formats = Object.fromEntries(
  [
    'endpoint',
    'pool',
    'range4',
    'address',
    'group',
    'prefix',
    'interfaceAddress',
    'ipv4',
    'path',
    'below',
  ].map(name => [name, text => !text.includes('!')]),
);

type Named = Record<string, unknown>;

/** Any JSON, of values that schemas like to bound. */
const scalar = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    '',
    '!',
    'a',
    'eth0',
    '10.0.0.0/24',
    'x'.repeat(300),
    '\u{1f4a9}',
  ),
  fc.integer({ min: -2, max: 70_000 }),
  fc.constantFrom(0.5, 1e12, 5_000_000),
);

/** A value that is nearly what the schema wants; here and there something else. */
function near(schema: Schema, root: Schema, depth = 0): fc.Arbitrary<unknown> {
  const named = String(schema['$ref'] ?? '')
    .split('/')
    .pop()!;
  if (named !== '') return near((root['definitions'] as Record<string, Schema>)[named]!, root, depth);
  const choices = (schema['oneOf'] ?? schema['anyOf']) as readonly Schema[] | undefined;
  if (choices !== undefined) return fc.oneof(scalar, ...choices.map(one => near(one, root, depth)));
  if (Array.isArray(schema['enum'])) return fc.oneof(fc.constantFrom(...schema['enum']), scalar);
  const usual = 'default' in schema ? [fc.constant(schema['default'])] : [];
  const { items, minimum, properties, additionalProperties } = schema;
  const wanted: fc.Arbitrary<unknown>[] = [...usual];
  if (typeof minimum === 'number') wanted.push(fc.integer({ min: minimum - 1, max: minimum + 3 }));
  if (items !== undefined && depth < 6)
    wanted.push(fc.array(near(items as Schema, root, depth + 1), { maxLength: 4 }));
  if ((properties !== undefined || typeof additionalProperties === 'object') && depth < 6)
    wanted.push(objects(schema, root, depth));
  return wanted.length === 0
    ? scalar
    : fc.oneof({ weight: 1, arbitrary: scalar }, { weight: 6, arbitrary: fc.oneof(...wanted) });
}

function objects(schema: Schema, root: Schema, depth: number): fc.Arbitrary<unknown> {
  const known = fc.record(
    Object.fromEntries(
      Object.entries((schema['properties'] ?? {}) as Record<string, Schema>).map(([name, one]) => [
        name,
        near(one, root, depth + 1),
      ]),
    ),
    { requiredKeys: [] },
  );
  const { additionalProperties } = schema;
  const value =
    typeof additionalProperties === 'object' ? near(additionalProperties as Schema, root, depth + 1) : scalar;
  const others = fc.dictionary(fc.constantFrom('a', 'wan', 'no/such', '~', '!', ''), value, { maxKeys: 2 });
  return fc
    .tuple(known, others, fc.boolean())
    .map(([own, more, clean]) => (clean && additionalProperties === false ? own : { ...own, ...more }));
}

/** Without uniqueItems: of items that should be texts ajv compares those alone that are. */
const told = (keyword: string, path: string, message: string): string => `${path} ${keyword}: ${message}`;
const comparable = (text: string): boolean => !text.includes(' uniqueItems: ');

test.each([
  ['manager', managerSchema],
  ['agent', agentSchema],
  ['image', profileSchema],
] as const)('the %s schema: the same violations and defaults as by ajv', (_, given) => {
  const schema: Schema = given;
  const ajv = new Ajv({ allErrors: true, useDefaults: true, strict: false, logger: false });
  for (const [name, takes] of Object.entries(formats)) ajv.addFormat(name, takes);
  const peer = ajv.compile(schema);
  fc.assert(
    fc.property(objects(schema, schema, 0), value => {
      const [mine, theirs] = [structuredClone(value) as Named, structuredClone(value) as Named];
      const found = validate(schema, formats, mine);
      peer(theirs);
      const ours = found.map(one => told(one.keyword, one.instancePath, one.message));
      const wrong = (peer.errors ?? []).map(one => told(one.keyword, one.instancePath, one.message ?? ''));
      expect(ours.filter(comparable).sort()).toEqual(wrong.filter(comparable).sort());
      expect(mine).toEqual(theirs);
    }),
    { numRuns: 400 },
  );
});

test('items that have to be unique are compared whatever they are', () => {
  const schema = { items: {}, uniqueItems: true };
  expect(validate(schema, {}, [{ a: 1, b: [2] }, 3, { b: [2], a: 1 }])).toMatchObject([
    { keyword: 'uniqueItems' },
  ]);
  expect(validate(schema, {}, [{ a: 1 }, { a: 2 }, 1, '1', [1]])).toEqual([]);
});
