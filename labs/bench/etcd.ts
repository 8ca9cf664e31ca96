/**
 * The peer of the scale figures: etcd, a registry of services by leases, over its JSON gateway: `node bench-etcd.mjs JSON`. It does for each
 * server what a registration does: a lease, and a key for each service in it; then single changes, until a watcher has seen each.
 */
import { Agent, request } from 'node:http';
import type { FleetOptions, FleetResult } from './fleet.ts';

export interface EtcdOptions extends FleetOptions {
  /** A connection for each server, from its own address; else as many as register at once, which all share. */
  readonly own: boolean;
}

const options = JSON.parse(process.argv[2] ?? '{}') as EtcdOptions;
const shared = new Agent({ keepAlive: true, maxSockets: options.window });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

function call(path: string, body: object, agent = shared): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const asked = request(
      {
        agent,
        host: '127.0.0.1',
        port: options.port,
        path,
        method: 'POST',
        headers: { 'content-length': Buffer.byteLength(text) },
      },
      response => {
        let answer = '';
        response.setEncoding('utf8').on('data', part => {
          answer += part;
        });
        response.on('end', () =>
          response.statusCode === 200
            ? resolve(JSON.parse(answer) as Record<string, unknown>)
            : reject(new Error(answer)),
        );
      },
    );
    asked.on('error', reject);
    asked.end(text);
  });
}

const keyOf = (server: number, service: number): string =>
  `/services/svc-${server % options.names}/${server}/${service}`;
const recordOf = (server: number, service: number): string =>
  JSON.stringify({
    address: `127.1.${server >> 8}.${server & 255}`,
    transport: 'tcp',
    port: 8000 + service,
    protocol: 'http',
    weight: 100,
  });

async function register(server: number): Promise<void> {
  const localAddress = `127.1.${server >> 8}.${server & 255}`;
  const agent = options.own ? new Agent({ keepAlive: true, maxSockets: 1, localAddress }) : shared;
  const { ID } = await call('/v3/lease/grant', { TTL: 3600 }, agent);
  await Promise.all(
    Array.from({ length: options.services }, (_, service) =>
      call(
        '/v3/kv/put',
        {
          key: base64(keyOf(server, service + 1)),
          value: base64(recordOf(server, service + 1)),
          lease: ID,
        },
        agent,
      ),
    ),
  );
}

/** A watch on everything; `seen` is called with each key that changes. */
function watch(seen: (key: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port: options.port, path: '/v3/watch', method: 'POST' },
      response => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
          for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
            const { result } = JSON.parse(text.slice(0, end)) as {
              result: { created?: boolean; events?: { kv: { key: string } }[] };
            };
            text = text.slice(end + 1);
            if (result.created) resolve();
            for (const event of result.events ?? []) seen(Buffer.from(event.kv.key, 'base64').toString());
          }
        });
      },
    );
    asked.on('error', reject);
    asked.end(
      JSON.stringify({ create_request: { key: base64('/services/'), range_end: base64('/services0') } }),
    );
  });
}

const started = performance.now();
let next = 0;
await Promise.all(
  Array.from({ length: options.window }, async () => {
    while (next < options.servers) await register(next++);
  }),
);
const registerMs = performance.now() - started;

const waiting = new Map<string, () => void>();
await watch(key => waiting.get(key)?.());
const changeMs: number[] = [];
for (let change = 0; change < options.changes; change++) {
  const server = (change * 997) % options.servers;
  const key = keyOf(server, 1000 + change);
  const from = performance.now();
  await Promise.all([
    new Promise<void>(resolve => waiting.set(key, resolve)),
    call('/v3/kv/put', { key: base64(key), value: base64(recordOf(server, 1)) }),
  ]);
  changeMs.push(performance.now() - from);
}
// The connections stay until somebody ends this process.
process.stdout.write(`${JSON.stringify({ registerMs, changeMs } satisfies FleetResult)}\n`);
