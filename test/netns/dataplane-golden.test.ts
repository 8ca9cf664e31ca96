import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { Network } from '../support/netns.ts';

const network = new Network();
afterAll(() => network.dispose());

test('nft takes each golden file, in the order in which they change the table', () => {
  const namespace = network.namespace('golden');
  for (const name of ['layout', 'farms', 'member-replaced', 'farms-leave']) {
    const text = readFileSync(new URL(`../golden/nftables/${name}.nft`, import.meta.url), 'utf8');
    expect(text.length).toBeGreaterThan(0);
    namespace.runSync('nft', ['-c', '-f', '-'], text);
    namespace.runSync('nft', ['-f', '-'], text);
  }
  // Without /etc/protocols nft prints the transport as a number.
  expect(namespace.runSync('nft', ['list', 'map', 'inet', 'bivouac', 'farms4'])).toMatch(
    /10\.50\.0\.1 \. (tcp|6) \. 80 : jump/,
  );
});
