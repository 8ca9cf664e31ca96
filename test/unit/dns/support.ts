/** What the tests of DNS share: a view that is written down in a few lines, and a desk that answers from it. */
import type { AnswererOptions } from '../../../appliance/dns/answerer.ts';
import { Authority } from '../../../appliance/dns/authority.ts';
import { Desk } from '../../../appliance/dns/desk.ts';
import type { RecordType } from '../../../appliance/dns/numbers.ts';
import type { RecordData, View, Zone } from '../../../appliance/dns/view.ts';
import { hmac } from '../../../appliance/host/keys.ts';
import { type Address, address, addressBytes, parsePrefix } from '../../../sdk/wire/address.ts';
import { type DnsMessage, decodeDns } from '../../support/dns.ts';
import { virtualWorld } from '../../support/virtual.ts';

export const zone = (apex: string, fields: Partial<Zone> = {}): Zone => ({
  apex,
  nameServers: [`ns1.${apex}`, 'ns.elsewhere.test'],
  mailbox: `root.${apex}`,
  ...{ refresh: 60, retry: 10, expire: 3600, minimum: 5, ttl: 30 },
  ...fields,
});

/**
 * `A 10.0.0.1`, `AAAA fd00::1`, `SRV 0 10 80 host.cell`, `CNAME other.cell`, `TXT words`: a record. Behind `place:` only for those there;
 * the others get those without.
 */
export interface Lines {
  readonly [name: string]: readonly string[];
}

let versions = 0;

/** A view. TTL 30. */
export function view(
  lines: Lines,
  options: { readonly zones?: readonly Zone[]; readonly topology?: Readonly<Record<string, string>> } = {},
): View {
  const records = new Map<string, { readonly place: string; readonly data: RecordData }[]>();
  for (const [name, texts] of Object.entries(lines)) records.set(name, texts.map(parse));
  return {
    version: ++versions,
    zones: options.zones ?? [zone('cell')],
    names: new Map(
      [...records].map(([name, list]) => [
        name,
        [...new Set(list.map(({ data }) => data.type as RecordType))],
      ]),
    ),
    topology: Object.entries(options.topology ?? {}).map(([prefix, place]) => ({
      prefix: parsePrefix(prefix)!,
      place,
    })),
    answersFor({ name, type }, place) {
      const all = (records.get(name) ?? []).filter(({ data }) => data.type === type);
      const own = all.filter(one => one.place === place);
      return {
        records: (own.length > 0 && place !== '' ? own : all.filter(one => one.place === '')).map(
          ({ data }) => data,
        ),
        ttl: 30,
        scoped: all.some(one => one.place !== ''),
      };
    },
  };
}

function parse(line: string): { readonly place: string; readonly data: RecordData } {
  const [, place = '', rest = ''] = /^(?:(\w+): )?(.*)$/.exec(line)!;
  const [type, ...words] = rest.split(' ') as [RecordType, ...string[]];
  const data = (): RecordData => {
    switch (type) {
      case 'A':
      case 'AAAA':
        return { type, address: address(words[0]!) };
      case 'CNAME':
      case 'NS':
        return { type, target: words[0]! };
      case 'SRV':
        return {
          type,
          ...{
            priority: Number(words[0]),
            weight: Number(words[1]),
            port: Number(words[2]),
            target: words[3]!,
          },
        };
      case 'TXT':
        return { type, texts: words };
      default:
        throw new Error(`no such type in tests: ${line}`);
    }
  };
  return { place, data: data() };
}

export const OPTIONS: AnswererOptions = {
  limits: { rate: 0, slip: 2 },
  secrets: [new Uint8Array(16).fill(7)],
  nsid: new Uint8Array(0),
  amplification: 2,
};

/** The 16 bytes of an address. */
export function sourceBytes(text: string): Uint8Array {
  const bytes = addressBytes(text as Address);
  return bytes.length === 16 ? bytes : Uint8Array.from([...new Uint8Array(10), 255, 255, ...bytes]);
}

/** An authority and a desk, and how to ask it. */
export function startDesk(options: Partial<AnswererOptions> = {}) {
  const world = virtualWorld();
  const seconds = () => 1_700_000_000 + Math.floor(world.clock.now() / 1000);
  const authority = new Authority({ log: world.log, seconds });
  let asked = 0;
  const desk = new Desk(
    {
      ...{ clock: world.clock, random: world.random, hmac, seconds },
      ask: ({ name }, { type }, _number, place) => {
        asked++;
        return authority.finish(name, type, place);
      },
    },
    { ...OPTIONS, ...options },
  );
  authority.subscribe(update => desk.update(structuredClone(update)));
  const output = new Uint8Array(70_000);
  /** The bytes of the answer, undefined when there is none. */
  const raw = (query: Uint8Array, from = '192.0.2.9', stream = false): Uint8Array | undefined => {
    desk.answerer.begin();
    // Somewhere in a larger buffer, as they come, and of the class that they come in: its slice is no copy.
    const bytes = Buffer.alloc(query.length + 7, 0xff);
    bytes.set(query, 3);
    const before = bytes.toString('hex');
    const length = desk.answerer.answer(bytes, 3, 3 + query.length, sourceBytes(from), 0, stream, output, 5);
    if (bytes.toString('hex') !== before) throw new Error('the query was written to');
    return length > 0 ? output.slice(5, 5 + length) : undefined;
  };
  const ask = (query: Uint8Array, from?: string, stream?: boolean): DnsMessage => {
    const bytes = raw(query, from, stream);
    if (bytes === undefined) throw new Error('no answer');
    return decodeDns(bytes);
  };
  return { world, authority, desk, raw, ask, publish: authority.publish.bind(authority), asked: () => asked };
}

/** Records as lines: `name type data`. */
export const linesOf = (records: DnsMessage['answer']): readonly string[] =>
  records.map(({ name, type, data }) => `${name} ${type} ${data}`);
