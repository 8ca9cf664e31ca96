/**
 * A DNS server of ours with a zone made for measuring: node bench-dns.mjs ADDRESS PORT WORKERS NAMES PLACES. `hN.bench.cell` has one A record;
 * with places, each /24 of 10.0.0.0/8 up to their number has answers of its own. Says `ready` when it answers; ends with its input.
 */
import { isMainThread } from 'node:worker_threads';
import { dnsWorker, dnsWorkers } from '../../../appliance/commands/dns-worker.ts';
import type { RecordType } from '../../../appliance/dns/numbers.ts';
import { startDns } from '../../../appliance/dns/server.ts';
import type { View } from '../../../appliance/dns/view.ts';
import { createClock } from '../../../appliance/host/clock.ts';
import { hmac } from '../../../appliance/host/keys.ts';
import { createNet } from '../../../appliance/host/net.ts';
import { createRandom } from '../../../appliance/host/random.ts';
import { address, parsePrefix } from '../../../sdk/wire/address.ts';
import { WIDE } from '../dns-peers.ts';

/** As many names, and as many places that differ in their answers. */
function benchView(names: number, places: number): View {
  const types: readonly RecordType[] = ['A'];
  return {
    version: 1,
    zones: [
      {
        apex: 'bench.cell',
        nameServers: ['ns.bench.cell'],
        mailbox: 'root.bench.cell',
        ...{ refresh: 60, retry: 10, expire: 3600, minimum: 5, ttl: 60 },
      },
    ],
    names: new Map([
      ['ns.bench.cell', types],
      ['wide.bench.cell', ['A', 'TXT']],
      ...Array.from({ length: names }, (_, index) => [`h${index}.bench.cell`, types] as const),
    ]),
    topology: Array.from({ length: places }, (_, index) => ({
      prefix: parsePrefix(`10.${index >> 8}.${index & 255}.0/24`)!,
      place: `place-${index}`,
    })),
    answersFor: ({ name, type }, place) => {
      if (name === 'wide.bench.cell')
        return { records: type === 'TXT' ? TEXTS : ADDRESSES, ttl: 30, scoped: false };
      const own = `198.51.${Number(place.slice(6)) & 255}.${(Number(/\d+/.exec(name)?.[0] ?? 0) & 127) + 1}`;
      const record = { type: 'A', address: address(place === '' ? '192.0.2.1' : own) } as const;
      return { records: [record], ttl: 30, scoped: places > 0 };
    },
  };
}

const ADDRESSES = WIDE.addresses.map(one => ({ type: 'A', address: address(one) }) as const);
const TEXTS = WIDE.texts.map(text => ({ type: 'TXT', texts: [text] }) as const);

async function main(): Promise<void> {
  const [at = '::', ...numbers] = process.argv.slice(2);
  const [port = 53, workers = 1, names = 1000, places = 0, rate = 0] = numbers.map(Number);
  const options = {
    addresses: [address(at)],
    port,
    limits: { rate, slip: 2 },
    secrets: [createRandom().bytes(16)],
    nsid: new Uint8Array(0),
    amplification: 2,
  };
  const seconds = (): number => Math.floor(Date.now() / 1000);
  const server = await startDns(
    {
      clock: createClock(),
      random: createRandom(),
      net: createNet(),
      hmac,
      log: (level, event, fields) => console.error(level, event, JSON.stringify(fields)),
      seconds,
      startWorker: dnsWorkers(new URL(import.meta.url), options),
    },
    { ...options, workers, transfers: [parsePrefix('127.0.0.0/8')!], notify: [], zones: [] },
  );
  server.publish(benchView(names, places));
  console.log(`ready ${server.carrier}`);
  process.stdin.on('end', () => void server.close()).resume();
}

if (isMainThread) await main();
else dnsWorker();
