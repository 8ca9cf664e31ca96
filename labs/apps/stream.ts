/**
 * A client that never stops asking, to see what an interruption costs: node stream.mjs --to ADDRESS[:PORT] [--via http|udp]
 * [--interval 5] [--seconds N] [--gaps MS]. Each interval it opens a new connection (or sends a datagram) whatever became of the
 * ones before. It prints a line of JSON at the first answer, one at the end of each gap that is longer than MS, and one with the
 * longest gap between two answers, and how long questions went wrong, when it ends (SIGTERM, SIGINT, or the seconds are over).
 */
import { parseArgs } from 'node:util';
import { httpAsker, udpAsker } from './askers.ts';

const { values } = parseArgs({
  options: {
    to: { type: 'string' },
    via: { type: 'string', default: 'http' },
    interval: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '0' },
    gaps: { type: 'string' },
  },
});
const [address = '', port] = (values.to ?? '').split(':');
if (address === '') {
  console.error('stream: --to ADDRESS[:PORT] is missing');
  process.exit(2);
}

/** Gaps longer than so many milliseconds are told as they end. */
const TELL = Number(values.gaps ?? Infinity);
/** An answer that takes longer than so many milliseconds is late: a lost SYN is sent again after 1 s. */
const LATE = 100;

const servers: Record<string, number> = {};
const failures: Record<string, number> = {};
let sent = 0;
let answered = 0;
let last: { readonly at: number; readonly server: string } | undefined;
let longest = { ms: 0, from: '', to: '', at: '' };
/** How often the server changed from one answer to the next, and the last time: for a client with one flow, when it moved. */
let moves = 0;
let lastMove = { ms: 0, from: '', to: '' };
/** When questions were asked that failed or were answered late: from the first of them to the last. */
let affected: { readonly first: number; readonly last: number } | undefined;

function settle(asked: number, late: boolean): void {
  if (!late) return;
  affected = {
    first: Math.min(affected?.first ?? asked, asked),
    last: Math.max(affected?.last ?? asked, asked),
  };
}

function onAnswer(server: string, asked: number): void {
  const at = performance.now();
  settle(asked, at - asked > LATE);
  servers[server] = (servers[server] ?? 0) + 1;
  if (answered++ === 0) console.log(JSON.stringify({ event: 'first-answer', server }));
  if (last && at - last.at > TELL)
    // The wall clock, which all processes of the machine share: milliseconds since 1970, with fractions.
    console.log(JSON.stringify({ event: 'gap', ms: at - last.at, ended: performance.timeOrigin + at }));
  if (last && at - last.at > longest.ms)
    longest = { ms: at - last.at, from: last.server, to: server, at: new Date().toISOString() };
  if (last && last.server !== server) {
    moves++;
    lastMove = { ms: at - last.at, from: last.server, to: server };
  }
  last = { at, server };
}

function onFailure(reason: string, asked: number): void {
  settle(asked, true);
  failures[reason] = (failures[reason] ?? 0) + 1;
}

const asker = (values.via === 'udp' ? udpAsker : httpAsker)(
  address,
  Number(port ?? (values.via === 'udp' ? 7 : 80)),
  onAnswer,
  onFailure,
);
const started = performance.now();
const timer = setInterval(() => {
  sent++;
  asker.ask();
}, Number(values.interval));

function end(): void {
  clearInterval(timer);
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  // Answers that never come are a gap as well: it lasts until now.
  if (last && performance.now() - last.at > Math.max(longest.ms, 1000))
    longest = { ms: performance.now() - last.at, from: last.server, to: '', at: new Date().toISOString() };
  const seconds = (performance.now() - started) / 1000;
  const summary = {
    event: 'end',
    seconds,
    sent,
    answered,
    failed,
    failures,
    servers,
    longestGap: longest,
    moves,
    lastMove,
    affected: affected ? affected.last - affected.first : 0,
  };
  process.stdout.write(`${JSON.stringify(summary)}\n`, () => process.exit(0));
}
process.once('SIGTERM', end);
process.once('SIGINT', end);
if (Number(values.seconds) > 0) setTimeout(end, Number(values.seconds) * 1000);
