/**
 * Long-lived TCP connections that must survive: node flows.mjs --to ADDRESS[:PORT] [--count 10] [--interval 100] [--size 0]. Each
 * sends a numbered line every interval, filled up to `size` bytes, and expects the same bytes back, in order. Prints a line of JSON
 * when all are established, and one with what was lost when it ends (SIGTERM, SIGINT), once all that was sent has come back or
 * has had 5 s to. A connection that is lost is told of by a line of its own.
 */
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    to: { type: 'string' },
    count: { type: 'string', default: '10' },
    interval: { type: 'string', default: '100' },
    size: { type: 'string', default: '0' },
  },
});
const [address = '', port = '7'] = (values.to ?? '').split(':');
if (address === '') {
  console.error('flows: --to ADDRESS[:PORT] is missing');
  process.exit(2);
}

interface Flow {
  readonly socket: Socket;
  server: string;
  sent: number;
  returned: number;
  /** Bytes that came back as they were sent. */
  bytes: number;
  /** Lines that are not the next one, byte by byte. */
  wrong: number;
  lastReturn: number;
  /** Longest time between two answers, ms. */
  longestGap: number;
  lost: string;
}

let ending = false;
const size = Number(values.size);
/** Number N and its own filling, so that no line can pass for another. */
const lineOf = (number: number): string => `${number} `.padEnd(size, String.fromCharCode(97 + (number % 26)));
const flows = Array.from({ length: Number(values.count) }, open);

function open(): Flow {
  const socket = connect({ host: address, port: Number(port), noDelay: true });
  const flow: Flow = {
    socket,
    server: '',
    sent: 0,
    returned: 0,
    bytes: 0,
    wrong: 0,
    lastReturn: performance.now(),
    longestGap: 0,
    lost: '',
  };
  let pending = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    const lines = (pending + text).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const now = performance.now();
      const end = line.indexOf(' ');
      flow.server = line.slice(0, end);
      if (line.slice(end + 1) === lineOf(flow.returned)) flow.bytes += line.length - end;
      else flow.wrong++;
      if (flow.returned++ > 0) flow.longestGap = Math.max(flow.longestGap, now - flow.lastReturn);
      flow.lastReturn = now;
      if (flow.returned === 1 && flows.every(each => each.returned > 0 || each.lost !== ''))
        report('established');
    }
  });
  const lose = (reason: string): void => {
    if (flow.lost !== '') return;
    flow.lost = reason;
    console.log(JSON.stringify({ event: 'lost', reason, at: performance.timeOrigin + performance.now() }));
  };
  socket.on('error', error => lose((error as NodeJS.ErrnoException).code ?? error.message));
  socket.on('close', () => lose('closed'));
  return flow;
}

setInterval(() => {
  if (!ending) for (const flow of flows) if (flow.lost === '') flow.socket.write(`${lineOf(flow.sent++)}\n`);
}, Number(values.interval));

const sumOf = (of: (flow: Flow) => number): number => flows.reduce((sum, flow) => sum + of(flow), 0);

function report(event: string, then?: () => void): void {
  const servers: Record<string, number> = {};
  const lost: Record<string, number> = {};
  for (const flow of flows) {
    if (flow.server !== '') servers[flow.server] = (servers[flow.server] ?? 0) + 1;
    if (flow.lost !== '') lost[flow.lost] = (lost[flow.lost] ?? 0) + 1;
  }
  const summary = {
    event,
    flows: flows.length,
    alive: flows.filter(flow => flow.lost === '' && flow.returned > 0).length,
    lost,
    servers,
    // Sent and not come back after half a second: a flow that is up but stuck.
    stuck: flows.filter(flow => flow.lost === '' && performance.now() - flow.lastReturn > 500).length,
    longestGap: Math.max(0, ...flows.map(flow => flow.longestGap)),
    sent: sumOf(flow => flow.sent),
    returned: sumOf(flow => flow.returned),
    wrong: sumOf(flow => flow.wrong),
    bytes: sumOf(flow => flow.bytes),
  };
  process.stdout.write(`${JSON.stringify(summary)}\n`, then);
}

function end(): void {
  ending = true;
  const begun = performance.now();
  const settled = (): boolean =>
    flows.every(flow => flow.lost !== '' || flow.returned === flow.sent) || performance.now() - begun > 5000;
  const wait = setInterval(() => {
    if (!settled()) return;
    clearInterval(wait);
    report('end', () => process.exit(0));
  }, 5);
}
process.once('SIGTERM', end);
process.once('SIGINT', end);
