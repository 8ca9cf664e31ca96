/**
 * Which way imports point (docs/architecture.md): from the edge inward. A new room of the appliance must be given its place here.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');

/** Each room, and the rooms (besides itself and sdk/wire) that it may import from. `node:` = Node's own modules; packages by name. */
const MAY: Record<string, readonly string[]> = {
  'sdk/wire': [],
  sdk: ['node:', 'cap'],
  'appliance/registry': [],
  'appliance/desired': ['appliance/registry'],
  'appliance/reconciler': ['appliance/desired', 'appliance/registry', 'ports'],
  'appliance/store': ['appliance/registry', 'ports'],
  'appliance/config': ['appliance/registry', 'ip-num'],
  'appliance/sessions': ['appliance/registry', 'appliance/pki', 'ports'],
  'appliance/health': ['appliance/registry', 'appliance/desired', 'ports'],
  'appliance/responder': ['appliance/desired', 'appliance/registry', 'ports'],
  'appliance/dataplane': ['appliance/desired', 'appliance/registry', 'ports'],
  'appliance/ipvs': ['appliance/dataplane', 'appliance/desired', 'appliance/registry', 'ports'],
  'appliance/routing': ['appliance/desired', 'appliance/registry', 'ports'],
  'appliance/pki': ['appliance/registry', 'ports'],
  'appliance/operator': ['appliance/registry', 'appliance/desired', 'appliance/config', 'ports'],
  'appliance/notifier': ['appliance/responder', 'appliance/registry', 'appliance/pki', 'ports'],
  'appliance/flooding': ['ports'],
  'appliance/notices': [
    'appliance/flooding',
    'appliance/notifier',
    'appliance/responder',
    'appliance/registry',
    'appliance/pki',
    'ports',
  ],
  'appliance/roaming': ['appliance/registry', 'ports'],
  'appliance/dhcp': ['appliance/config', 'ports'],
  'appliance/dns': ['appliance/responder', 'ports'],
  'appliance/redirector': ['appliance/desired', 'appliance/registry', 'ports'],
  'appliance/polls': ['appliance/responder', 'appliance/registry', 'appliance/pki', 'ports'],
  'appliance/gslb': [
    'appliance/polls',
    'appliance/dns',
    'appliance/notices',
    'appliance/responder',
    'appliance/registry',
    'appliance/pki',
    'ports',
  ],
  'appliance/box': ['appliance/config', 'appliance/operator', 'ports'],
  'appliance/agent': ['sdk', 'ports', 'appliance/config'],
  'appliance/host': [
    'sdk',
    'appliance/config',
    'appliance/registry',
    'ports',
    'node:',
    'cap',
    'raw-socket',
    'koffi',
    'conf',
  ],
};

/** The composition root and the entry points may import anything: that is what they are for. */
const ROOTS =
  /^appliance\/(cli|main|loop|rules|drivers|mission|cell|manager-host|telemetry|scouts|gslb-role|gslb-settings)\.ts$|^appliance\/commands\//;

const files = ['sdk', 'appliance']
  .flatMap(top =>
    readdirSync(join(root, top), { recursive: true, encoding: 'utf8' }).map(name => `${top}/${name}`),
  )
  .filter(
    name =>
      name.endsWith('.ts') && !/(^|\/)(node_modules|dist|examples)\//.test(name) && !name.endsWith('.d.ts'),
  );

function roomOf(file: string): string | undefined {
  return Object.keys(MAY)
    .sort((one, other) => other.length - one.length)
    .find(room => file.startsWith(`${room}/`));
}

/** What a file imports: `ports`, a room, `node:`, or a package's name. */
function importsOf(
  file: string,
  text = readFileSync(join(root, file), 'utf8'),
): { readonly specifier: string; readonly target: string }[] {
  return [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g,
    ),
  ].map(match => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? '';
    if (specifier.startsWith('node:')) return { specifier, target: 'node:' };
    if (!specifier.startsWith('.'))
      return {
        specifier,
        target: specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/'),
      };
    const path = relative(root, join(root, dirname(file), specifier));
    return { specifier, target: path === 'appliance/host/ports.ts' ? 'ports' : (roomOf(path) ?? path) };
  });
}

test('every file stands in a room', () => {
  expect(files.filter(file => roomOf(file) === undefined && !ROOTS.test(file))).toEqual([]);
  expect(files.length).toBeGreaterThan(30);
});

/** The imports of a file that its room may not have. */
const wrongImports = (file: string, text?: string): string[] => {
  const room = roomOf(file)!;
  return importsOf(file, text)
    .filter(({ target }) => target !== room && target !== 'sdk/wire' && !MAY[room]!.includes(target))
    .map(({ specifier }) => `${file} imports ${specifier}`);
};

test('imports point inward', () => {
  expect(files.filter(file => !ROOTS.test(file)).flatMap(file => wrongImports(file))).toEqual([]);
});

test.each([
  ['appliance/registry/x.ts', "import net from 'node:net';"],
  ['appliance/registry/x.ts', "import { derive } from '../desired/derive.ts';"],
  ['appliance/desired/x.ts', "export { createStore } from '../host/store.ts';"],
  ['appliance/health/x.ts', "const { createStore } = await import('../host/store.ts');"],
  ['sdk/wire/x.ts', "import '../index.ts';"],
])('%s with %s is seen', (file, text) => {
  expect(wrongImports(file, text).length).toBe(1);
});
