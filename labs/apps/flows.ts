/**
 * Long-lived TCP connections that must survive: node flows.mjs --to ADDRESS[:PORT] [--count 10] [--interval 100]. Each sends a
 * numbered line every interval and expects it back. Prints a line of JSON when all are established, and one with what was lost
 * when it ends (SIGTERM, SIGINT).
 */
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    to: { type: 'string' },
    count: { type: 'string', default: '10' },
    interval: { type: 'string', default: '100' },
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
  lastReturn: number;
  /** Longest time between two answers, ms. */
  longestGap: number;
  lost: string;
}

let ending = false;
const flows = Array.from({ length: Number(values.count) }, open);

function open(): Flow {
  const socket = connect({ host: address, port: Number(port), noDelay: true });
  const flow: Flow = {
    socket,
    server: '',
    sent: 0,
    returned: 0,
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
      flow.server = line.split(' ')[0] ?? '';
      if (flow.returned++ > 0) flow.longestGap = Math.max(flow.longestGap, now - flow.lastReturn);
      flow.lastReturn = now;
      if (flow.returned === 1 && flows.every(each => each.returned > 0 || each.lost !== ''))
        report('established');
    }
  });
  const lose = (reason: string): void => {
    if (!ending) flow.lost ||= reason;
  };
  socket.on('error', error => lose((error as NodeJS.ErrnoException).code ?? error.message));
  socket.on('close', () => lose('closed'));
  return flow;
}

setInterval(() => {
  for (const flow of flows) if (flow.lost === '') flow.socket.write(`${flow.sent++}\n`);
}, Number(values.interval));

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
  };
  process.stdout.write(`${JSON.stringify(summary)}\n`, then);
}

function end(): void {
  ending = true;
  report('end', () => process.exit(0));
}
process.once('SIGTERM', end);
process.once('SIGINT', end);
