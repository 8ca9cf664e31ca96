/** What `bivouac show` shows of a GSLB, as rows. Pure. */
import { type Address, familyOf, parseAddress } from '../../sdk/wire/address.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import { formatPorts } from '../../sdk/wire/ports.ts';
import type { Millis } from '../host/ports.ts';
import type { Wanted } from './candidates.ts';
import type { Gslb } from './gslb.ts';
import type { Overrides } from './overrides.ts';
import { siteOf } from './topology.ts';
import type { Path } from './view.ts';

type Row = Readonly<Record<string, string | number | boolean>>;

/** Names that `show decisions` decides for: of more, the first. */
const MOST_NAMES = 1000;

const ms = (value: Millis): string => `${value.toFixed(1)} ms`;
const percent = (value: number): string => `${Math.round(value * 100)} %`;
const rate = (bits: number): string =>
  bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${(bits / 1e3).toFixed(1)} kbit/s`;

const trip = (from: string, to: string, { rtt, jitter, loss }: Path): Row => ({
  ...{ from, to, rtt: ms(rtt), jitter: ms(jitter), loss: percent(loss) },
});

/** Managers, and whether they are heard. */
export function siteRows(gslb: Gslb, now: Millis): readonly Row[] {
  const { view, topology } = gslb.knows;
  return [...view.sites.values()].map(site => ({
    site: siteOf(topology, site),
    manager: site.name,
    address: site.addresses.join(','),
    notices: site.silent ? 'silent' : 'heard',
    polls: site.polled,
    for: `${Math.round((now - site.since) / 1000)} s`,
    offers: site.offers.size,
    rtt: site.own === undefined ? '' : ms(site.own.rtt),
  }));
}

/** Each name at each place. */
export function decisionRows(gslb: Gslb): readonly Row[] {
  const { view, places, here } = gslb.knows;
  const names = [...view.names.keys()].sort().slice(0, MOST_NAMES);
  const wanted = [...new Set([...places.keys(), here])];
  return names.flatMap(name =>
    wanted.map((place): Row => {
      const { verdict, policy, ranked } = gslb.decideFor(name, place);
      const shares = ranked
        .filter(({ share }) => share > 0)
        .map(({ site, vip, share }) => `${site} ${vip} ${percent(share)}`);
      return {
        name,
        clients: place ?? 'elsewhere',
        policy: policy.override.length > 0 ? `${policy.kind}, override` : policy.kind,
        verdict,
        shares: shares.join(', '),
        reason: ranked[0]?.reason.sentence ?? '',
      };
    }),
  );
}

/** What managers tell of their links. */
export const linkRows = (gslb: Gslb): readonly Row[] =>
  [...gslb.knows.view.sites.values()].flatMap(site =>
    site.links.map(link => ({
      manager: site.name,
      link: link.name,
      in: rate(link.input),
      out: rate(link.output),
      rate: link.rate === 0 ? '' : rate(link.rate),
      use: link.rate === 0 ? '' : percent(link.use),
    })),
  );

/** Round trips from here, and between managers. */
export function rttRows(gslb: Gslb): readonly Row[] {
  const { sites } = gslb.knows.view;
  const nameOf = (id: ManagerId): string => sites.get(id)?.name ?? id.slice(0, 12);
  return [...sites.values()].flatMap(site => [
    ...(site.own === undefined ? [] : [trip('here', site.name, site.own)]),
    ...[...site.paths].map(([to, path]) => trip(site.name, nameOf(to), path)),
  ]);
}

/** Names that are overridden by a command. */
export const overrideRows = (overrides: Overrides): readonly Row[] =>
  [...overrides].map(([name, { targets, at }]) => ({ name, to: targets.join(', '), since: at }));

/** What a client gets for a name, best first, each with its reason. Throws for what is no address. */
export function explainRows(gslb: Gslb, name: string, client: string): readonly Row[] {
  const address = parseAddress(client);
  if (address === undefined) throw new RangeError(`'${client}' is no IP address`);
  const families = [
    ...new Set(gslb.knows.view.names.get(name)?.held.map(({ offer: { vip } }) => familyOf(vip))),
  ];
  // DNS decides for each family by itself.
  if (families.length > 1)
    return families.sort().flatMap(family => explained(gslb, name, client, address, { family }));
  return explained(gslb, name, client, address);
}

function explained(
  gslb: Gslb,
  name: string,
  client: string,
  address: Address,
  wanted: Wanted = {},
): readonly Row[] {
  const { where, decision, ttl } = gslb.explain(name, address, wanted);
  const { verdict, policy, ranked } = decision;
  const head = {
    ...{ rank: 0, vip: '', site: where.site ?? 'unknown', manager: '', score: '', share: '', ports: '' },
    reason: `${name} for ${client}${where.prefix === undefined ? '' : ` (${where.prefix})`}, slot ${where.slot}${wanted.family === undefined ? '' : `, IPv${wanted.family}`}: ${verdict} by policy ${policy.kind}, TTL ${ttl} s`,
  };
  return [
    head,
    ...ranked.map((one, at) => ({
      ...{ rank: at + 1, vip: one.vip, site: one.site, manager: one.name, score: one.score },
      share: percent(one.share),
      ports: one.held
        .map(({ offer: { transport, ports } }) => `${transport}/${formatPorts(ports)}`)
        .join(' '),
      reason: one.reason.sentence,
    })),
  ];
}
