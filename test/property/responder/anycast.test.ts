import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DirectoryServer, WantedDirectory } from '../../../appliance/desired/wanted.ts';
import type { Signer } from '../../../appliance/host/ports.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { Answers } from '../../../appliance/responder/answers.ts';
import { Cookies } from '../../../appliance/responder/cookies.ts';
import { newCounters } from '../../../appliance/responder/counters.ts';
import { answer } from '../../../appliance/responder/decide.ts';
import { UdpCarrier } from '../../../appliance/responder/udp-carrier.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import type { Query } from '../../../sdk/wire/answer.ts';
import { decodeAnycast, encodeAnycast } from '../../../sdk/wire/anycast.ts';
import type { ManagerId, ServerId } from '../../../sdk/wire/model.ts';
import { normalisePorts } from '../../../sdk/wire/ports.ts';
import { seededRandom, VirtualClock } from '../../support/virtual.ts';

// Few names, ports and addresses, so that much of it matches.
const MANAGER = 'ab'.repeat(32) as ManagerId;
const vipOf = fc.constantFrom(...['10.9.0.1', '10.9.0.2', '2001:db8::9', '10.9.0.4'].map(address));
const nameOf = fc.constantFrom('www.cell', 'mcu.cell', 'dns.cell', 'none.cell');
const protocolOf = fc.constantFrom('http', 'h323', 'dns');
const transportOf = fc.constantFrom('tcp' as const, 'udp' as const);
const port = fc.integer({ min: 1, max: 12 });
const range = fc
  .tuple(port, port)
  .map(([one, two]) => ({ first: Math.min(one, two), last: Math.max(one, two) }));
/** Sorted and not overlapping, as a directory has them. */
const ports = fc
  .uniqueArray(port, { minLength: 1, maxLength: 4 })
  .map(list => list.sort((one, other) => one - other).map(first => ({ first, last: first })));

const service = fc.record({
  name: nameOf,
  protocol: protocolOf,
  transport: transportOf,
  ports,
  score: fc.integer({ min: 1, max: 1000 }),
});
type Tree = [Address, [number, DirectoryServer['services'][number][]][]][];
/** VIP → number of the server → services; kept as lists, so that a counterexample can be read. */
const treeOf: fc.Arbitrary<Tree> = fc.uniqueArray(
  fc.tuple(
    vipOf,
    fc.uniqueArray(
      fc.tuple(fc.integer({ min: 1, max: 60 }), fc.array(service, { minLength: 1, maxLength: 3 })),
      { selector: ([number]) => number, minLength: 1, maxLength: 40 },
    ),
  ),
  { selector: ([vip]) => vip, maxLength: 3 },
);

function directoryOf(tree: Tree): WantedDirectory {
  const byName = new Map<string, Set<Address>>();
  const byVip = tree.map(([vip, servers]) => {
    const list = servers.map(([number, services]): DirectoryServer => {
      for (const { name } of services) byName.set(name, (byName.get(name) ?? new Set()).add(vip));
      return { server: `${number}` as ServerId, address: address(`10.1.0.${number}`), services };
    });
    return [vip, list] as const;
  });
  return {
    byVip: Table.from(byVip),
    byName: Table.from([...byName].map(([name, vips]) => [name, [...vips]] as const)),
  };
}

const selector = fc.record(
  {
    protocol: protocolOf,
    transport: transportOf,
    ports: fc.array(range, { maxLength: 3 }).map(normalisePorts),
  },
  { requiredKeys: [] },
);
const optional = <T>(key: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map(one => (one === undefined ? {} : { [key]: one }));
const queryOf = fc
  .tuple(
    optional('vip', vipOf),
    optional('name', nameOf),
    selector,
    fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 255 })),
    fc.boolean(),
    fc.integer({ min: 0, max: 1400 }),
    fc.uint8Array({ minLength: 8, maxLength: 8 }),
  )
  .map(
    ([vip, name, chosen, want, signed, padding, nonce]): Query => ({
      type: 'query',
      nonce: Uint8Array.from(nonce),
      ...vip,
      ...name,
      selector: chosen,
      want,
      signed,
      padding,
    }),
  );

/** The rule of docs/protocol.md §7.2, port by port and service by service. */
function oracle(query: Query, { byVip }: WantedDirectory): Map<Address, number> {
  const best = new Map<Address, number>();
  for (const [vip, servers] of byVip.entries()) {
    if (query.vip !== undefined && query.vip !== vip) continue;
    for (const server of servers) {
      for (const one of server.services) {
        const served = (wanted: number) =>
          one.ports.some(({ first, last }) => first <= wanted && wanted <= last);
        const ranges = query.selector.ports ?? [];
        const fits =
          (query.name === undefined || query.name === one.name) &&
          (query.selector.protocol === undefined || query.selector.protocol === one.protocol) &&
          (query.selector.transport === undefined || query.selector.transport === one.transport) &&
          (ranges.length === 0 ||
            ranges.some(({ first, last }) =>
              Array.from({ length: last - first + 1 }, (_, index) => first + index).every(served),
            ));
        if (fits) best.set(server.address, Math.max(best.get(server.address) ?? 0, one.score));
      }
    }
  }
  return best;
}

test('exactly the matching servers, best first, with their best matching score', () => {
  fc.assert(
    fc.property(queryOf, treeOf, (query, tree) => {
      const directory = directoryOf(tree);
      const decision = answer(query, directory);
      const expected = oracle(query, directory);
      expect(decision.servers.length + decision.omitted).toBe(expected.size);
      expect(decision.servers.length).toBe(
        query.want === 0 ? expected.size : Math.min(query.want, expected.size),
      );
      for (const { address: at, score } of decision.servers) expect(score).toBe(expected.get(at));
      const scores = decision.servers.map(server => server.score);
      expect(scores).toEqual([...scores].sort((one, other) => other - one));
      const left = [...expected].filter(([at]) => !decision.servers.some(server => server.address === at));
      for (const [, score] of left) expect(score).toBeLessThanOrEqual(scores.at(-1)!);
      expect(decision.reason === 'answered').toBe(expected.size > 0);
    }),
    { numRuns: 500 },
  );
});

const signer: Signer = { id: MANAGER, publicKey: new Uint8Array(44), sign: () => new Uint8Array(64) };
const SOURCE = address('192.0.2.7');

function carrierOf(directory: WantedDirectory) {
  const clock = new VirtualClock();
  const answers = new Answers({ clock, manager: MANAGER, signer, validity: 5000 });
  answers.setDirectory(directory);
  const cookies = new Cookies(clock, seededRandom(1));
  const carrier = new UdpCarrier({
    clock,
    answers,
    cookies,
    rate: 1000,
    counters: newCounters(),
    onFull: () => {},
  });
  const ask = (bytes: Uint8Array): Uint8Array[] => {
    const sent: Uint8Array[] = [];
    carrier.receive(bytes, SOURCE, back => void sent.push(back));
    return sent;
  };
  return { ask, cookie: cookies.issue(SOURCE) };
}

test('an unproven source never gets more bytes than it sent, asked once or twice, with a wrong cookie or none', () => {
  fc.assert(
    fc.property(
      queryOf,
      treeOf,
      fc.option(fc.uint8Array({ minLength: 8, maxLength: 32 }), { nil: undefined }),
      (query, tree, cookie) => {
        const { ask } = carrierOf(directoryOf(tree));
        const bytes = encodeAnycast(
          cookie === undefined ? query : { ...query, cookie: Uint8Array.from(cookie) },
        );
        for (let turn = 0; turn < 2; turn++) {
          const back = ask(bytes).reduce((sum, one) => sum + one.length, 0);
          expect(back).toBeLessThanOrEqual(bytes.length);
        }
      },
    ),
    { numRuns: 400 },
  );
});

test('a proven source gets all that was decided, in whole parts of its own nonce, the second time as the first', () => {
  fc.assert(
    fc.property(queryOf, treeOf, (query, tree) => {
      const directory = directoryOf(tree);
      const { ask, cookie } = carrierOf(directory);
      const bytes = encodeAnycast({ ...query, cookie });
      const expected = answer(query, directory);
      for (let turn = 0; turn < 2; turn++) {
        const parts = ask(bytes).map(part => decodeAnycast(part));
        const servers = parts.flatMap(part => (part.type === 'answer' ? part.servers : []));
        expect(servers).toEqual(expected.servers);
        for (const [index, part] of parts.entries()) {
          expect(part).toMatchObject({
            type: 'answer',
            nonce: query.nonce,
            part: index + 1,
            parts: parts.length,
          });
          expect('signature' in part).toBe(query.signed);
        }
      }
    }),
    { numRuns: 200 },
  );
});
