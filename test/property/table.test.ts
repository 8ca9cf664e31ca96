import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Table } from '../../appliance/registry/table.ts';

const keys = fc.oneof(fc.string(), fc.integer({ min: 0, max: 60 }).map(String));
const actions = fc.array(fc.tuple(keys, fc.option(fc.integer(), { nil: undefined })), { maxLength: 120 });

/** The table and the Map that the actions make of what there was. */
function run(
  list: readonly (readonly [string, number | undefined])[],
  table: Table<string, number>,
  model: Map<string, number>,
): Table<string, number> {
  let next = table;
  for (const [key, value] of list) {
    if (value === undefined) {
      next = next.without(key);
      model.delete(key);
    } else {
      next = next.with(key, value);
      model.set(key, value);
    }
  }
  return next;
}

test('a table holds what a Map would, and an older one stays as it was', () => {
  fc.assert(
    fc.property(actions, actions, (first, second) => {
      const model = new Map<string, number>();
      const before = run(first, Table.empty(), model);
      const frozen = new Map(model);
      const after = run(second, before, model);
      expect(new Map(after.entries())).toEqual(model);
      expect(after.size).toBe(model.size);
      expect(new Map(before.entries())).toEqual(frozen);
      expect(new Map(Table.from([...model]).entries())).toEqual(model);
      expect(after.parts().length % 32).toBe(0);
    }),
  );
});

test('the changes between two tables are those between the two Maps', () => {
  fc.assert(
    fc.property(actions, actions, (first, second) => {
      const model = new Map<string, number>();
      const before = run(first, Table.empty(), model);
      const old = new Map(model);
      const after = run(second, before, model);
      const wanted = [...new Set([...old.keys(), ...model.keys()])]
        .filter(key => old.get(key) !== model.get(key))
        .map(key => ({ key, before: old.get(key), after: model.get(key) }));
      const byKey = (one: { key: string }, other: { key: string }): number => (one.key < other.key ? -1 : 1);
      expect([...after.changesSince(before)].sort(byKey)).toEqual(wanted.sort(byKey));
    }),
  );
});

test('what changes nothing is the same table', () => {
  const table: Table<string, number> = Table.from([['a', 1]]);
  expect([table.with('a', 1), table.without('b')]).toEqual([table, table]);
  expect(table.with('a', 1)).toBe(table);
  expect(table.without('b')).toBe(table);
});

test('a draft makes the table that the single changes make, and leaves the old one as it was', () => {
  fc.assert(
    fc.property(actions, actions, (first, second) => {
      const model = new Map<string, number>();
      const before = run(first, Table.empty(), model);
      const frozen = new Map(model);
      const draft = before.draft();
      for (const [key, value] of second) {
        if (value === undefined) draft.delete(key);
        else draft.set(key, value);
        expect(draft.get(key)).toBe(value);
      }
      const after = run(second, before, model);
      const drafted = draft.done();
      expect([...drafted.changesSince(after)]).toEqual([]);
      expect(drafted).toEqual(after);
      expect(drafted.size).toBe(model.size);
      expect(new Map(before.entries())).toEqual(frozen);
      expect([...before.keys()].length).toBe(before.size);
    }),
  );
});

test('a draft in which nothing changes gives the table back', () => {
  const table: Table<string, number> = Table.from([['a', 1]]);
  const draft = table.draft();
  draft.set('a', 1);
  draft.delete('b');
  expect(draft.done()).toBe(table);
});
