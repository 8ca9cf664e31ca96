/**
 * The DNS server as a program: node dns-server.mjs WORKERS TRANSFERS NOTIFY KEY (name:base64), all addresses, port 53. A line `NAME ADDRESS…` on its input is
 * what it answers from then on (with places: 10.1.0.0/16 and fd01::/32 get the first address alone); it says `ready`, then `serial N` for each
 * line, and `counts {…}` for a line `counts`. `fail` makes it throw, `crash` the
 * worker that was started last.
 */
import { createInterface } from 'node:readline';
import { isMainThread } from 'node:worker_threads';
import { dnsWorker, dnsWorkers } from '../../../appliance/commands/dns-worker.ts';
import type { RecordType } from '../../../appliance/dns/numbers.ts';
import { startDns } from '../../../appliance/dns/server.ts';
import type { RecordData, View } from '../../../appliance/dns/view.ts';
import type { WorkerHandle } from '../../../appliance/dns/workers.ts';
import { createClock } from '../../../appliance/host/clock.ts';
import { hmac } from '../../../appliance/host/keys.ts';
import { createNet } from '../../../appliance/host/net.ts';
import { createRandom } from '../../../appliance/host/random.ts';
import { type Address, address, parsePrefix } from '../../../sdk/wire/address.ts';

const names = new Map<string, readonly Address[]>([['ns1.cell', [address('10.9.0.1')]]]);
let version = 0;
let latest: WorkerHandle | undefined;

function view(): View {
  const known = new Map([...names].map(([name, list]) => [name, [...list]]));
  const typesOf = (list: readonly Address[]): RecordType[] => [
    ...(list.some(one => !one.includes(':')) ? (['A'] as const) : []),
    ...(list.some(one => one.includes(':')) ? (['AAAA'] as const) : []),
  ];
  const types = new Map<string, readonly RecordType[]>(
    [...known].map(([name, list]) => [name, typesOf(list)]),
  );
  types
    .set('_sip._udp.cell', ['SRV'])
    .set('text.cell', ['TXT'])
    .set('alias.cell', ['CNAME'])
    .set('a.deep.cell', ['TXT']);
  return {
    version: ++version,
    zones: [
      {
        ...{ apex: 'cell', nameServers: ['ns1.cell'], mailbox: 'root.cell' },
        ...{ refresh: 60, retry: 10, expire: 3600, minimum: 5, ttl: 60 },
      },
    ],
    names: types,
    topology: ['10.1.0.0/16', 'fd01::/32'].map(prefix => ({ prefix: parsePrefix(prefix)!, place: 'near' })),
    answersFor({ name, type }, place) {
      const list = known.get(name) ?? [];
      const own = list.filter(one => one.includes(':') === (type === 'AAAA'));
      const addresses = (place === 'near' ? own.slice(0, 1) : own).map(
        (one): RecordData => ({ type: type as 'A', address: one }),
      );
      const others: Partial<Record<RecordType, RecordData>> = {
        SRV: { type: 'SRV', priority: 0, weight: 10, port: 5060, target: 'www.cell' },
        TXT: { type: 'TXT', texts: ['some words', 'and more'] },
        CNAME: { type: 'CNAME', target: 'www.cell' },
      };
      const other = others[type];
      return { records: other === undefined ? addresses : [other], ttl: 30, scoped: own.length > 1 };
    },
  };
}

async function main(): Promise<void> {
  const [workers = '1', transfers = '', notify = '', key = ''] = process.argv.slice(2);
  const [keyName = '', secret = ''] = key.split(':');
  const options = {
    addresses: [address('::')],
    port: 53,
    limits: { rate: 0, slip: 2 },
    secrets: [new Uint8Array(16).fill(3)],
    nsid: new TextEncoder().encode('gslb-1'),
    amplification: 2,
    keys: key === '' ? [] : [{ name: keyName, secret: Buffer.from(secret, 'base64') }],
  };
  const server = await startDns(
    {
      ...{ clock: createClock(), random: createRandom(), net: createNet(), hmac },
      log: (level, event, fields) => console.error(level, event, JSON.stringify(fields)),
      seconds: () => Math.floor(Date.now() / 1000),
      async startWorker(onMessage, onGone) {
        latest = await dnsWorkers(new URL(import.meta.url), options)(onMessage, onGone);
        console.log('worker started');
        return latest;
      },
    },
    {
      ...{ ...options, workers: Number(workers), zones: ['cell'] },
      transfers: transfers === '' ? [] : [parsePrefix(transfers)!],
      notify: notify === '' ? [] : [{ address: address(notify), port: 53 }],
    },
  );
  server.publish(view());
  console.log(`ready ${server.carrier}`);
  createInterface({ input: process.stdin })
    .on('line', line => {
      if (line === 'counts') {
        console.log(`counts ${JSON.stringify(server.counts())}`);
        return;
      }
      if (line === 'crash') {
        latest?.post({ kind: 'update', update: undefined as never });
        console.log('told one');
        return;
      }
      if (line === 'fail')
        setTimeout(() => {
          throw new Error('as it was told');
        });
      const [name = '', ...list] = line.split(' ');
      if (list.length === 0) names.delete(name);
      else names.set(name, list.map(address));
      server.publish(view());
      console.log(`serial ${server.serial}`);
    })
    .on('close', () => void server.close());
}

if (isMainThread) await main();
else dnsWorker();
