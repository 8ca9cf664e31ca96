/**
 * A client that knows its server by name alone: node named.mjs --name NAME --resolver ADDRESS [--port 7] [--interval 5]
 * [--ttl 1000] [--gaps 20]. It asks the resolver every `ttl` ms, as a stub resolver that honours a TTL does, and sends a datagram each
 * interval to the address that it knows. Lines of JSON: the first answer, and each gap between two answers that is longer than
 * `gaps` ms, with the moment of its end by the wall clock.
 */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: '' },
    resolver: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '7' },
    interval: { type: 'string', default: '5' },
    ttl: { type: 'string', default: '1000' },
    gaps: { type: 'string', default: '20' },
  },
});
const resolver = new Resolver({ timeout: 500, tries: 2 });
resolver.setServers([values.resolver]);

let address: string | undefined;
const resolve = async (): Promise<void> => {
  // While nobody answers, what is known stays known.
  [address] = await resolver.resolve4(values.name).catch(() => [address]);
};

let last: number | undefined;
const socket = createSocket('udp4');
// An address that nobody has any more is what this is about.
socket.on('error', () => {});
socket.on('message', () => {
  const at = performance.now();
  if (last === undefined) console.log(JSON.stringify({ event: 'first-answer', server: address }));
  else if (at - last > Number(values.gaps))
    console.log(JSON.stringify({ event: 'gap', ms: at - last, ended: performance.timeOrigin + at }));
  last = at;
});

void resolve();
setInterval(() => void resolve(), Number(values.ttl));
setInterval(() => {
  if (address !== undefined) socket.send('?', Number(values.port), address);
}, Number(values.interval));
