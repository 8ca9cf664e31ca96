/**
 * Answers as people read them.
 */
import type { Answer } from '../../sdk/client/answer.ts';
import type { Change } from '../../sdk/client/watch.ts';
import type { AnsweredServer, PortRange } from '../../sdk/wire/model.ts';

/** One line a service, best server first. */
function formatServers(servers: readonly AnsweredServer[]): string {
  const rows = servers.flatMap(server =>
    server.services.map((service, index) => [
      index === 0 ? String(server.score) : '',
      index === 0 ? server.address : '',
      service.name,
      service.protocol,
      `${service.transport}/${service.ports.map(formatRange).join(',')}`,
      server.services.length > 1 ? String(service.score) : '',
    ]),
  );
  const table = [['SCORE', 'ADDRESS', 'SERVICE', 'PROTOCOL', 'PORTS', ''], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map(row => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padStart(widths[0]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd();
  return table.map(line).join('\n');
}

/** Who answered, how fast, and for how long it holds. */
function formatFooter(answer: Answer): string {
  const parts = [
    `${count(answer.servers.length, 'server')}${answer.omitted > 0 ? ` (and ${answer.omitted} more)` : ''}`,
    `from ${answer.from} in ${answer.roundTrip.toFixed(2)} ms`,
    `manager ${answer.manager.slice(0, 12)}`,
    answer.signed ? 'signature good' : 'not signed',
    `holds for ${(answer.remaining() / 1000).toFixed(1)} s`,
  ];
  return `; ${parts.join(', ')}`;
}

export const formatAnswer = (answer: Answer): string =>
  `${answer.servers.length === 0 ? '; nothing healthy matches' : formatServers(answer.servers)}\n${formatFooter(answer)}`;

/** One line a server that came, changed or went. */
export function formatChange(change: Change, time: string): string {
  const lines = [
    ...change.added.map(server => `+ ${describe(server)}`),
    ...change.changed.map(server => `~ ${describe(server)}`),
    ...change.removed.map(server => `- ${describe(server)}`),
    ...(change.error === undefined ? [] : [`! ${change.error.message} (${change.error.code})`]),
  ];
  if (lines.length === 0) lines.push('  nothing healthy matches');
  return lines.map(line => `${time} ${line}`).join('\n');
}

/** What `--json` prints of an answer. */
export const answerJson = (answer: Answer): object => ({
  servers: answer.servers,
  vip: answer.vip ?? null,
  from: answer.from,
  manager: answer.manager,
  omitted: answer.omitted,
  signed: answer.signed,
  roundTrip: Number(answer.roundTrip.toFixed(3)),
  validity: Math.round(answer.remaining()),
});

/** What `ping` says at its end. */
export function formatRoundTrips(asked: number, roundTrips: readonly number[]): string {
  const lost = Math.round(((asked - roundTrips.length) / asked) * 100);
  const head = `; ${asked} queries, ${roundTrips.length} answers, ${lost} % lost`;
  if (roundTrips.length === 0) return head;
  const sorted = [...roundTrips].sort((a, b) => a - b);
  const at = (share: number): string => sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(2);
  return `${head}; round trip min/median/max ${at(0)}/${at(0.5)}/${at(1)} ms`;
}

const describe = (server: AnsweredServer): string =>
  `${server.address} score ${server.score} ${server.services
    .map(
      service =>
        `${service.name} ${service.protocol} ${service.transport}/${service.ports.map(formatRange).join(',')}`,
    )
    .join('; ')}`;

const formatRange = ({ first, last }: PortRange): string =>
  first === last ? String(first) : `${first}-${last}`;
const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;
