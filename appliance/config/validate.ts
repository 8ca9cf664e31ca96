/**
 * Holds a value against a JSON Schema (draft 7) by walking both, and fills in the schema's defaults. A validator that compiles schemas
 * (ajv) is faster from some hundred values on; a configuration is one value, and compiling for it took most of the daemon's start: 0.2 s,
 * and 4 s in an emulator. Pure but for the defaults, which are put into the value.
 */

/** Something that is wrong with a value; named as ajv names it. */
export interface Violation {
  readonly keyword: string;
  /** JSON pointer (RFC 6901). */
  readonly instancePath: string;
  /** What the value must be or have, to follow its text. */
  readonly message: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly parentSchema: Schema;
  readonly data: unknown;
}

/** A schema, or a part of one. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

/** Whether a text is of a format. */
export type Formats = Readonly<Record<string, (text: string) => boolean>>;

/** The walk at one place. */
interface Place {
  readonly root: Schema;
  readonly formats: Formats;
  readonly path: string;
  /** Below a keyword that only tries a schema (`oneOf`…) no default is filled in. */
  readonly trying: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** All violations, in the schema's order of the value's parts; none: the value is valid, and has its defaults. Throws for a reference to nothing. */
export function validate(schema: Schema, formats: Formats, value: unknown): readonly Violation[] {
  return check(schema, value, { root: schema, formats, path: '', trying: false });
}

function check(schema: Schema, value: unknown, place: Place): Violation[] {
  const found: Violation[] = [];
  const fail = (keyword: string, message: string, params: Json = {}): void =>
    void found.push({
      keyword,
      instancePath: place.path,
      message,
      params,
      parentSchema: schema,
      data: value,
    });
  const { $ref, type } = schema;
  if (typeof $ref === 'string') found.push(...check(resolve(place.root, $ref), value, place));
  const types = type === undefined ? [] : [type].flat();
  if (types.length > 0 && !types.some(name => isOf(String(name), value)))
    fail('type', `must be ${types.join()}`);
  if (typeof value === 'number') checkNumber(schema, value, fail);
  if (typeof value === 'string') checkText(schema, value, place.formats, fail);
  checkChoice(schema, value, place, fail, found);
  if (Array.isArray(value)) checkArray(schema, value, place, fail, found);
  else if (isObject(value)) checkObject(schema, value, place, fail, found);
  return found;
}

type Fail = (keyword: string, message: string, params?: Json) => void;

function checkNumber({ minimum, maximum }: Schema, value: number, fail: Fail): void {
  if (typeof maximum === 'number' && value > maximum) fail('maximum', `must be <= ${maximum}`);
  if (typeof minimum === 'number' && value < minimum) fail('minimum', `must be >= ${minimum}`);
}

function checkText(schema: Schema, value: string, formats: Formats, fail: Fail): void {
  const { pattern, format } = schema;
  checkCount(schema, 'Length', [...value].length, 'characters', fail);
  if (typeof pattern === 'string' && !new RegExp(pattern, 'u').test(value))
    fail('pattern', `must match pattern "${pattern}"`);
  if (typeof format === 'string' && formats[format]?.(value) === false)
    fail('format', `must match format "${format}"`, { format });
}

/** `minItems`, `maxLength` and their like. */
function checkCount(schema: Schema, of: string, count: number, things: string, fail: Fail): void {
  const [least, most] = [schema[`min${of}`], schema[`max${of}`]];
  if (typeof most === 'number' && count > most) fail(`max${of}`, `must NOT have more than ${most} ${things}`);
  if (typeof least === 'number' && count < least)
    fail(`min${of}`, `must NOT have fewer than ${least} ${things}`);
}

/** What says nothing of a type: one value, one of several, or another schema. */
function checkChoice(schema: Schema, value: unknown, place: Place, fail: Fail, found: Violation[]): void {
  const attempt = (one: unknown): Violation[] => check(one as Schema, value, { ...place, trying: true });
  if ('const' in schema && !same(schema['const'], value)) fail('const', 'must be equal to constant');
  const allowed = schema['enum'] as readonly unknown[] | undefined;
  if (allowed?.some(one => same(one, value)) === false)
    fail('enum', 'must be equal to one of the allowed values', { allowedValues: allowed });
  for (const keyword of ['anyOf', 'oneOf'] as const) {
    const tried = (schema[keyword] as readonly unknown[] | undefined)?.map(attempt);
    if (tried === undefined) continue;
    const passed = tried.filter(violations => violations.length === 0).length;
    if (passed === 0) found.push(...tried.flat());
    if (keyword === 'anyOf' && passed === 0) fail(keyword, 'must match a schema in anyOf');
    if (keyword === 'oneOf' && passed !== 1) fail(keyword, 'must match exactly one schema in oneOf');
  }
  if (schema['if'] === undefined) return;
  const branch = attempt(schema['if']).length === 0 ? 'then' : 'else';
  const violations = schema[branch] === undefined ? [] : attempt(schema[branch]);
  found.push(...violations);
  if (violations.length > 0) fail('if', `must match "${branch}" schema`);
}

function checkArray(schema: Schema, value: unknown[], place: Place, fail: Fail, found: Violation[]): void {
  checkCount(schema, 'Items', value.length, 'items', fail);
  if (
    schema['uniqueItems'] === true &&
    value.some((one, at) => value.findIndex(other => same(one, other)) < at)
  )
    fail('uniqueItems', 'must NOT have duplicate items');
  const { items } = schema;
  if (items === undefined) return;
  for (const [index, item] of value.entries())
    found.push(...check(items as Schema, item, { ...place, path: `${place.path}/${index}` }));
}

function checkObject(
  schema: Schema,
  value: Record<string, unknown>,
  place: Place,
  fail: Fail,
  found: Violation[],
): void {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Schema>>;
  const below = (name: string, one: Schema): void =>
    void found.push(...check(one, value[name], { ...place, path: `${place.path}/${escaped(name)}` }));
  if (!place.trying)
    for (const [name, { default: usual }] of Object.entries(properties))
      if (usual !== undefined && value[name] === undefined) value[name] = structuredClone(usual);
  checkCount(schema, 'Properties', Object.keys(value).length, 'properties', fail);
  for (const name of (schema['required'] ?? []) as readonly string[])
    if (value[name] === undefined)
      fail('required', `must have required property '${name}'`, { missingProperty: name });
  for (const name of Object.keys(value)) {
    const names = schema['propertyNames'];
    const wrong = names === undefined ? [] : check(names as Schema, name, { ...place, trying: true });
    found.push(...wrong);
    if (wrong.length > 0) fail('propertyNames', 'property name must be valid', { propertyName: name });
  }
  const others = schema['additionalProperties'];
  for (const name of Object.keys(value).filter(name => !Object.hasOwn(properties, name)))
    if (others === false)
      fail('additionalProperties', 'must NOT have additional properties', { additionalProperty: name });
    else if (isObject(others)) below(name, others);
  for (const [name, one] of Object.entries(properties)) if (value[name] !== undefined) below(name, one);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isOf(type: string, value: unknown): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'number') return Number.isFinite(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  return type === 'null' ? value === null : typeof value === type;
}

/** Of JSON, whatever the order of keys. */
function same(one: unknown, other: unknown): boolean {
  if (Array.isArray(one))
    return (
      Array.isArray(other) && one.length === other.length && one.every((item, at) => same(item, other[at]))
    );
  if (!isObject(one) || !isObject(other)) return one === other;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every(name => same(one[name], other[name]));
}

/** A part of a JSON pointer (RFC 6901 §3). */
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** `#/definitions/name` in the whole schema. Throws when there is none. */
function resolve(root: Schema, reference: string): Schema {
  let found: unknown = root;
  for (const name of reference.split('/').slice(1)) found = isObject(found) ? found[name] : undefined;
  if (!reference.startsWith('#/') || !isObject(found)) throw new Error(`the schema has no ${reference}`);
  return found;
}
