/**
 * From a list of fields to a reader and a writer: groups and messages are records of elements, in any order when read,
 * in the layout's order when written (docs/protocol.md §4.1).
 */
import { hex16, locate, WireError } from './errors.ts';
import type { Kind } from './kinds.ts';
import {
  ELEMENT_HEADER,
  elementEnd,
  MANDATORY,
  MAX_DEPTH,
  NUMBER_MASK,
  readU16,
  type TlvWriter,
  unknownMandatory,
} from './tlv.ts';

/** A numbered element. `mandatory` is the M bit that this implementation sends. */
export interface Element<T> {
  readonly number: number;
  readonly name: string;
  readonly mandatory: boolean;
  readonly kind: Kind<T>;
}

/** How often an element stands in a record, and what its absence means. */
export interface Field<T> {
  readonly element: Element<never>;
  /** `one`: exactly once. `optional`: absent = no such key. `absent`: absent = `value`. `many`: a list. */
  readonly arity: 'one' | 'optional' | 'absent' | 'many';
  readonly least: number;
  readonly most: number;
  readonly value?: T;
}

/** One field for each key of T that goes on the wire. */
export type Layout<T> = { readonly [Key in keyof T]-?: Field<Exclude<T[Key], undefined>> };

type AnyField = Field<unknown>;
const erase = (element: Element<never>): Element<unknown> => element as unknown as Element<unknown>;

export const one = <T>(element: Element<T>): Field<T> => ({
  element: element as Element<never>,
  arity: 'one',
  least: 1,
  most: 1,
});

export const optional = <T>(element: Element<T>): Field<T> => ({ ...one(element), arity: 'optional' });

/** An absent element stands for `value`, and `value` is written by leaving the element out. */
export const orElse = <T>(element: Element<T>, value: T): Field<T> => ({
  ...one(element),
  arity: 'absent',
  value,
});

/** Present = true, absent = false. */
export const flag = (element: Element<true>): Field<boolean> =>
  orElse(element as unknown as Element<boolean>, false);

export const many = <T>(element: Element<T>, least: number, most: number): Field<readonly T[]> => ({
  element: element as unknown as Element<never>,
  arity: 'many',
  least,
  most,
});

/** A record of elements: what a group's value or a message's body is. */
export interface RecordCodec<T> extends Kind<T> {
  /** Keys and fields in the order in which they are written. */
  readonly fields: readonly (readonly [key: string, field: AnyField])[];
}

/** Makes a record's codec. Throws at once if groups would nest deeper than the grammar allows. */
export function record<T extends object>(layout: Layout<T>): RecordCodec<T> {
  const fields = Object.entries(layout) as [string, AnyField][];
  const byNumber = new Map(fields.map(([key, field]) => [field.element.number, { key, field }]));
  const depth = 1 + Math.max(0, ...fields.map(([, field]) => field.element.kind.depth));
  if (depth > MAX_DEPTH) throw new RangeError(`groups nest ${depth} deep, at most ${MAX_DEPTH}`);

  function read(bytes: Uint8Array, start: number, end: number): T {
    const result: Record<string, unknown> = {};
    let next: number;
    for (let at = start; at < end; at = next) {
      next = elementEnd(bytes, at, end);
      const type = readU16(bytes, at);
      const known = byNumber.get(type & NUMBER_MASK);
      if (known !== undefined) take(result, known.key, known.field, bytes, at, next);
      else if ((type & MANDATORY) !== 0) throw unknownMandatory(type & NUMBER_MASK, at);
    }
    for (const [key, field] of fields) if (result[key] === undefined) fillIn(result, key, field, start);
    return result as T;
  }

  function write(writer: TlvWriter, value: T): void {
    for (const [key, field] of fields) {
      const part = (value as Record<string, unknown>)[key];
      if (field.arity === 'many') {
        const list = (part ?? []) as readonly unknown[];
        checkCount(field, list.length, writer.at);
        for (const item of list) writeElement(writer, erase(field.element), item);
      } else if (part === undefined) {
        if (field.arity === 'one') throw missing(field, writer.at);
      } else if (field.arity !== 'absent' || !same(part, field.value)) {
        writeElement(writer, erase(field.element), part);
      }
    }
  }

  return { depth, fields, read, write };
}

/** Writes one element with its header. */
export function writeElement<T>(writer: TlvWriter, element: Element<T>, value: T): void {
  const mark = writer.open(element.number, element.mandatory);
  try {
    element.kind.write(writer, value);
  } catch (error) {
    throw error instanceof WireError ? locate(error, { element: element.number, name: element.name }) : error;
  }
  writer.close(mark);
}

function take(
  result: Record<string, unknown>,
  key: string,
  field: AnyField,
  bytes: Uint8Array,
  at: number,
  end: number,
): void {
  const { kind, number, name } = erase(field.element);
  const before = result[key];
  if (field.arity !== 'many' && before !== undefined)
    throw new WireError('malformed', 'given twice, it may stand once', { offset: at, element: number, name });
  let value: unknown;
  try {
    value = kind.read(bytes, at + ELEMENT_HEADER, end);
  } catch (error) {
    throw error instanceof WireError ? locate(error, { element: number, name }) : error;
  }
  if (field.arity !== 'many') result[key] = value;
  else if (before === undefined) result[key] = [value];
  else {
    (before as unknown[]).push(value);
    if ((before as unknown[]).length > field.most) checkCount(field, field.most + 1, at);
  }
}

function fillIn(result: Record<string, unknown>, key: string, field: AnyField, offset: number): void {
  if (field.arity === 'one' || (field.arity === 'many' && field.least > 0)) throw missing(field, offset);
  if (field.arity === 'absent') result[key] = field.value;
  if (field.arity === 'many') result[key] = [];
}

function checkCount(field: AnyField, count: number, offset: number): void {
  if (count < field.least) throw missing(field, offset);
  if (count <= field.most) return;
  const { number, name } = field.element;
  throw new WireError('limit', `given ${count} times or more, at most ${field.most} are allowed`, {
    offset,
    element: number,
    name,
  });
}

function missing(field: AnyField, offset: number): WireError {
  const { number, name } = field.element;
  return new WireError('malformed', `element ${hex16(number)} (${name}) is missing; it must be given`, {
    offset,
    element: number,
    name,
  });
}

/** Equality of absent-values: scalars, and short lists or byte strings by their items. */
function same(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  const leftItems = left as ArrayLike<unknown>;
  const rightItems = right as ArrayLike<unknown>;
  if (leftItems.length === undefined || leftItems.length !== rightItems.length) return false;
  for (let index = 0; index < leftItems.length; index++)
    if (leftItems[index] !== rightItems[index]) return false;
  return true;
}
