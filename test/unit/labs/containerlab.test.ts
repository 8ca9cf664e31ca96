/** The reference network's file, as containerlab itself would judge it, and as its readers rely on it. */
import { existsSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadAgentConfig } from '../../../appliance/agent/config.ts';
import { loadConfig } from '../../../appliance/config/load.ts';
import { readTopology } from '../../../appliance/gslb/topology.ts';
import { addressesOf } from '../../../labs/graph/picture.ts';
import { parseTopology } from '../../../labs/topology/parse.ts';

const file = new URL('../../../containerlab.yml', import.meta.url).pathname;
const text = readFileSync(file, 'utf8');
const topology = parseTopology(file, text);

/** https://containerlab.dev/clab.schema.json, BSD-3-Clause, as published by the containerlab project (srl-labs/containerlab). */
const schema = JSON.parse(
  readFileSync(new URL('../../support/clab.schema.json', import.meta.url), 'utf8'),
) as object;

test("valid against containerlab's published schema", () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  const validate = ajv.compile(schema);
  validate(parse(text));
  expect(validate.errors ?? []).toEqual([]);
});

test('containerlab finds nothing in it to fill in but the name of a node', () => {
  // It expands variables of its own environment, then templates of Go's, in the whole text.
  expect(text).not.toMatch(/\$|\{\{/);
  expect([...new Set(text.match(/__\w+__/g))]).toEqual(['__clabNodeName__']);
});

test('the schema is not blind: a misspelt kind fails', () => {
  const ajv = new Ajv({ strict: false });
  addFormats.default(ajv);
  const validate = ajv.compile(schema);
  expect(validate(parse(text.replace('kind: linux', 'kind: lynux')))).toBe(false);
});

test('three cells with an appliance, a switch, servers and a client each, and a headquarters', () => {
  const groups = (cell: string): string[] =>
    [...topology.nodes.values()].filter(node => node.name.startsWith(`${cell}-`)).map(node => node.group);
  for (const cell of ['a', 'b', 'c'])
    expect(new Set(groups(cell))).toEqual(new Set(['appliance', 'switch', 'server', 'client']));
  const services = [...topology.nodes.values()]
    .filter(node => node.name.startsWith('a-'))
    .map(node => node.env['SERVICE'])
    .filter(service => service !== undefined);
  expect(services.toSorted()).toEqual(['mcu', 'mcu', 'web', 'web', 'web']);
  expect(topology.nodes.get('hq')?.group).toBe('router');
});

test('no address is given twice', () => {
  const addresses = [...topology.nodes.values()].flatMap(addressesOf);
  expect(addresses.length).toBeGreaterThan(20);
  expect(new Set(addresses).size).toBe(addresses.length);
});

test("every node's own files are in the repository", () => {
  const own = [...topology.nodes.values()]
    .flatMap(node => node.binds)
    .filter(bind => bind.source.includes('/labs/'));
  expect(own.length).toBeGreaterThan(20);
  expect(own.filter(bind => !existsSync(bind.source))).toEqual([]);
});

test("every manager's configuration is one", () => {
  const managers = [...topology.nodes.values()].filter(({ group }) => ['appliance', 'gslb'].includes(group));
  const loaded = managers.map(({ binds }) => {
    const bind = binds.find(({ target }) => target === '/etc/bivouac/bivouac.json')!;
    return loadConfig(readFileSync(bind.source, 'utf8'));
  });
  expect(loaded.map(each => ('config' in each ? each.config.name : each.faults))).toEqual(
    managers.map(node => node.name),
  );
});

test('two GSLBs serve the same zone with the same topology, and every link of the core is a line', () => {
  const bound = (name: string, target: string): string =>
    readFileSync(topology.nodes.get(name)!.binds.find(bind => bind.target === target)!.source, 'utf8');
  const [one, other] = ['gslb1', 'gslb2'].map(name => {
    const loaded = loadConfig(bound(name, '/etc/bivouac/bivouac.json'));
    return 'config' in loaded ? loaded.config.gslb : undefined;
  });
  expect(one!.zones).toEqual(other!.zones);
  expect(Object.keys(one!.nameServers).sort()).toEqual(Object.keys(other!.nameServers).sort());
  const [sites] = ['gslb1', 'gslb2'].map(name => readTopology(bound(name, '/etc/bivouac/sites.json')));
  expect(sites).toHaveProperty('topology');
  const routers = ['router', 'appliance'];
  const core = topology.links.filter(({ a, b }) =>
    [a, b].every(({ node }) => routers.includes(topology.nodes.get(node)!.group)),
  );
  expect(topology.links.filter(({ shape }) => shape !== undefined)).toEqual(core);
});

test("every agent's configuration is one", () => {
  const servers = [...topology.nodes.values()].filter(({ group }) => ['server', 'mobile'].includes(group));
  const loaded = servers.map(({ binds }) => {
    const bind = binds.find(({ target }) => target === '/etc/bivouac/agent.json')!;
    return loadAgentConfig(readFileSync(bind.source, 'utf8'));
  });
  expect(loaded.map(each => ('config' in each ? each.config.name : each.faults))).toEqual(
    servers.map(node => node.name),
  );
});
