/**
 * The counters of the parts, as the operator's metrics and views want them.
 */
import type { Cell } from './cell.ts';
import type { CheckStatus } from './health/entry.ts';
import type { Health } from './health/scheduler.ts';
import type { Millis } from './host/ports.ts';
import type { Mission } from './mission.ts';
import { counterOf, type Family } from './operator/metrics.ts';
import { age, type Row } from './operator/views.ts';
import type { Redirector } from './redirector/redirector.ts';
import type { State } from './registry/state.ts';
import type { Responder } from './responder/responder.ts';
import type { Sessions } from './sessions/sessions.ts';

/** Metrics of polls: those that this manager answers, and those that it sends as a GSLB. */
export const familiesOfPolls = (
  answered: Readonly<Record<string, number>>,
  gslb: Readonly<Record<'polls' | 'answers' | 'dns' | 'now', Readonly<Record<string, number>>>> | undefined,
): Family[] => [
  counterOf(
    'bivouac_polls_answered_total',
    'Polls and probes that came, by outcome.',
    ['outcome'],
    new Map(Object.entries(answered)),
  ),
  ...(gslb === undefined
    ? []
    : [
        counterOf(
          'bivouac_gslb_polls_total',
          'Polls of managers, by what came of them.',
          ['outcome'],
          new Map(Object.entries(gslb.polls)),
        ),
        counterOf(
          'bivouac_gslb_answers_total',
          'Views that were published, answers that were looked at because the network moved, those that were others then.',
          ['outcome'],
          new Map(Object.entries(gslb.answers)),
        ),
        {
          name: 'bivouac_gslb',
          type: 'gauge' as const,
          help: 'What a GSLB has: managers, silent ones, names, offers, answers that it watches over, names whose shares move.',
          samples: Object.entries(gslb.now).map(([what, value]) => ({ labels: { what }, value })),
        },
        counterOf(
          'bivouac_dns_total',
          'DNS queries, and by what came of them.',
          ['outcome'],
          new Map(
            Object.entries(gslb.dns).filter(([key]) => key !== 'connections' && key !== 'workersEnded'),
          ),
        ),
        counterOf(
          'bivouac_dns_workers_ended_total',
          'Threads that answer DNS that ended by themselves, and were started again.',
          [],
          new Map([['', gslb.dns['workersEnded'] ?? 0]]),
        ),
        gauge('bivouac_dns_connections', 'TCP connections of DNS.', gslb.dns['connections'] ?? 0),
      ]),
];

/** Metrics of the sessions, the checks and the responder. */
export function familiesOfParts(
  sessions: Sessions,
  health: Health,
  responder: Responder,
  mission: Mission,
  cell: Cell,
  redirector: Redirector,
): Family[] {
  const { counters } = sessions;
  const stats = health.stats();
  const { link, udp, solicit, arp, table } = responder.counters;
  return [
    gauge('bivouac_sessions', 'Registration connections.', sessions.size),
    counterOf('bivouac_sessions_refused_total', 'Refusals to servers, by code.', ['code'], counters.refused),
    counterOf('bivouac_sessions_ended_total', 'Ended sessions, by code.', ['code'], counters.ended),
    counterOf(
      'bivouac_heartbeats_total',
      'Heartbeats, by direction.',
      ['direction'],
      new Map(Object.entries(counters.heartbeats)),
    ),
    counterOf(
      'bivouac_checks_total',
      'Health checks done, by outcome.',
      ['outcome'],
      new Map([
        ['done', stats.done],
        ['failed', stats.failed],
        ['inconclusive', stats.inconclusive],
      ]),
    ),
    gauge('bivouac_checks_running', 'Health checks under way.', stats.running),
    gauge('bivouac_check_lag_milliseconds', 'How late the latest check began.', stats.lag),
    counterOf(
      'bivouac_anycast_queries_total',
      'Anycast-ARP queries, by carrier and outcome.',
      ['carrier', 'outcome'],
      labelled({ link, udp }),
    ),
    counterOf(
      'bivouac_responder_total',
      'Solicitations, ARP and full tables, by kind and outcome.',
      ['kind', 'outcome'],
      labelled({ solicit, arp, table }),
    ),
    counterOf(
      'bivouac_notices_total',
      'Notices, refreshes and repairs, by what became of them.',
      ['outcome'],
      new Map(Object.entries(mission.counters())),
    ),
    counterOf(
      'bivouac_dhcp_total',
      'DHCP on the access links, by message or what was wrong with it, and hints that followed.',
      ['kind', 'outcome'],
      labelled({ ...cell.roaming?.counters }),
    ),
    counterOf(
      'bivouac_redirects_total',
      'HTTP requests to VIPs that are redirected, by outcome.',
      ['outcome'],
      new Map(Object.entries(redirector.counters)),
    ),
    gauge('bivouac_vip_conflicts', 'VIPs that another station claims.', responder.conflicts().length),
  ];
}

/** A check as a row of `show health`. */
export function healthRow(status: CheckStatus, state: State, now: Millis): Row {
  const slash = status.service.indexOf('/');
  const server = state.servers.get(status.service.slice(0, slash) as Parameters<State['servers']['get']>[0]);
  const service = server?.services.get(Number(status.service.slice(slash + 1)));
  return {
    server: server?.name ?? '',
    service: service?.spec.name ?? '',
    check: status.check,
    address: status.address,
    outcome: status.outcome,
    for: age(now - status.since),
    checks: status.checks,
    took: status.last === undefined ? '' : `${status.last.took.toFixed(1)} ms`,
    next: status.due === undefined ? '' : `in ${age(status.due - now)}`,
    reason: status.last?.reason.sentence ?? 'not checked yet',
  };
}

const gauge = (name: string, help: string, value: number): Family => ({
  name,
  type: 'gauge',
  help,
  samples: [{ labels: {}, value }],
});

const labelled = (
  groups: Readonly<Record<string, Readonly<Record<string, number>>>>,
): ReadonlyMap<string, number> =>
  new Map(
    Object.entries(groups).flatMap(([group, counts]) =>
      Object.entries(counts).map(([key, value]) => [`${group} ${key}`, value]),
    ),
  );
