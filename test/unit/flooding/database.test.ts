/** What others flood, as it is kept: by speaker, in whatever order it is told, and bounded. */
import { expect, test } from 'vitest';
import { Database } from '../../../appliance/flooding/database.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';

const lsa = (router: Address, id: number, sequence = 1) => ({
  ...{ type: 11, age: 0, opaqueType: 187, router, id, sequence },
  data: Uint8Array.of(id & 0xff, sequence & 0xff),
});
const A = address('1.0.0.1');
const B = address('2.0.0.2');
const said = (database: Database, speaker: string): string[] =>
  database
    .saidBy(speaker)
    .map(({ data }) => [...data].join('.'))
    .sort();

test('each speaker has what it said last under each id', () => {
  const database = new Database();
  database.put(lsa(A, 1), 'm');
  database.put(lsa(A, 2), 'm');
  database.put(lsa(A, 1, 2), 'm');
  database.put(lsa(B, 1), 'n');
  expect(said(database, 'm')).toEqual(['1.2', '2.1']);
  expect(said(database, 'n')).toEqual(['1.1']);
  expect(database.speakersAt(A)).toEqual(['m']);
  expect(database.size).toBe(3);
});

test('the end of an older instance does not take the newer one', () => {
  const database = new Database();
  database.put(lsa(A, 1, 2), 'm');
  database.remove(lsa(A, 1, 1));
  expect(said(database, 'm')).toEqual(['1.2']);
  database.remove(lsa(A, 1, 2));
  expect(said(database, 'm')).toEqual([]);
  expect(database.speakersAt(A)).toEqual([]);
});

test('one router cannot take the room of all', () => {
  const database = new Database();
  let kept = 0;
  for (let id = 0; id < 40_000; id++) if (database.put(lsa(A, id), 'm')) kept++;
  expect(kept).toBe(8192);
  expect(database.put(lsa(B, 1), 'n')).toBe(true);
  // What is there may be replaced, and makes room when it goes.
  expect(database.put(lsa(A, 5, 2), 'm')).toBe(true);
  database.remove(lsa(A, 6));
  expect(database.put(lsa(A, 39_999), 'm')).toBe(true);
  for (let router = 3; router < 10; router++)
    for (let id = 0; id < 8192; id++) database.put(lsa(address(`${router}.0.0.1`), id), `${router}`);
  expect(database.size).toBe(32_768);
  database.clear();
  expect(database.size).toBe(0);
  expect(database.put(lsa(A, 1), 'm')).toBe(true);
});
