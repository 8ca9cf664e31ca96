import { expect, test } from 'vitest';
import { differences } from '../../../labs/scenarios/snapshot.ts';

test('lines that came and went, with the question that they answer', () => {
  const before = new Map([
    ['rules', ['0: from all', ' 1: mine']],
    ['nftables', []],
  ]);
  const after = new Map([
    ['rules', ['0: from all']],
    ['nftables', ['table inet x']],
  ]);
  expect(differences(before, after)).toEqual(['rules - 1: mine', 'nftables + table inet x']);
  expect(differences(before, before)).toEqual([]);
});
