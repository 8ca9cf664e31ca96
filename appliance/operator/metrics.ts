/**
 * Prometheus' text format (version 0.0.4) of what the manager knows and counts.
 */
import type { Derived } from '../desired/derive.ts';
import type { Millis } from '../host/ports.ts';
import { penaltyAt } from '../registry/damping.ts';
import { farmScore, serverScore } from '../registry/score.ts';

/** One family of samples. */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly samples: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

/** What the manager's tables say, as gauges. */
export function familiesOf({ state, wanted }: Derived, now: Millis): Family[] {
  const services = [...state.servers.values()].flatMap(server =>
    [...server.services.values()].map(record => ({ server, record })),
  );
  const peers = [...state.elsewhere.peers.values()];
  return [
    gauge('bivouac_servers', 'Servers by session.', [
      [
        { session: 'connected' },
        [...state.servers.values()].filter(server => server.session !== undefined).length,
      ],
      [{ session: 'lost' }, state.lost.size],
    ]),
    gauge('bivouac_leases', 'Leases; a shared VIP has one for each of its servers.', [
      [{}, [...state.leases.values()].reduce((sum, holders) => sum + holders.size, 0)],
    ]),
    gauge(
      'bivouac_farms',
      'Farms (ports of a VIP and their servers), wanted and carried by the data plane.',
      [
        [{ state: 'wanted' }, wanted.dataplane.farms.size],
        [{ state: 'carried' }, state.reached.farms.size],
      ],
    ),
    gauge('bivouac_routes', 'VIP routes, wanted and out.', [
      [{ state: 'wanted' }, wanted.routing.routes.size],
      [{ state: 'out' }, state.reached.routes.size],
    ]),
    gauge('bivouac_peers', 'Other managers of the mission, by whether they are heard.', [
      [{ state: 'heard' }, peers.filter(peer => !peer.silent).length],
      [{ state: 'silent' }, peers.filter(peer => peer.silent).length],
    ]),
    gauge('bivouac_bindings', 'VIPs and their servers, announced by this manager and by others.', [
      [{ where: 'here' }, wanted.notices.bindings.size],
      [{ where: 'elsewhere' }, state.elsewhere.count],
    ]),
    gauge(
      'bivouac_vip_score',
      'Score of a VIP, 0 to 1000.',
      [...state.vips.entries()].map(([vip, records]) => [{ vip }, farmScore(records.values())]),
    ),
    gauge(
      'bivouac_service_score',
      'Score of a server’s service, 0 to 1000.',
      services.map(({ server, record }) => [
        { server: server.name, service: record.spec.name, vip: record.spec.vip, state: record.state },
        serverScore(record),
      ]),
    ),
    gauge(
      'bivouac_service_flap_penalty',
      'Damping penalty (RFC 2439), 1000 a fall.',
      services
        .filter(({ record }) => record.flap.penalty > 0)
        .map(({ server, record }) => [
          { server: server.name, service: record.spec.name },
          Math.round(penaltyAt(record.flap, now)),
        ]),
    ),
  ];
}

/** What the drivers could not reach (`bivouac show problems`), by part. */
export const problemsFamily = (counts: ReadonlyMap<string, number>): Family =>
  gauge(
    'bivouac_problems',
    'What a part could not reach now.',
    [...counts].map(([part, count]) => [{ part }, count]),
  );

/** A counter from a map of `label value` → count, labels split at spaces in the order of `labels`. */
export const counterOf = (
  name: string,
  help: string,
  labels: readonly string[],
  counts: ReadonlyMap<string, number>,
): Family => ({
  name,
  type: 'counter',
  help,
  samples: [...counts].map(([key, value]) => {
    const parts = key.split(' ');
    return { labels: Object.fromEntries(labels.map((label, index) => [label, parts[index] ?? ''])), value };
  }),
});

/** The text that a scrape gets. */
export const renderMetrics = (families: readonly Family[]): string =>
  families
    .map(
      family =>
        `# HELP ${family.name} ${family.help}\n# TYPE ${family.name} ${family.type}\n${family.samples.map(sample => `${family.name}${renderLabels(sample.labels)} ${sample.value}\n`).join('')}`,
    )
    .join('');

function renderLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) =>
      `${name}="${value.replace(/[\\"\n]/g, match => (match === '\n' ? '\\n' : `\\${match}`))}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const gauge = (
  name: string,
  help: string,
  samples: readonly (readonly [Readonly<Record<string, string>>, number])[],
): Family => ({
  name,
  type: 'gauge',
  help,
  samples: samples.map(([labels, value]) => ({ labels, value })),
});
