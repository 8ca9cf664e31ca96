/**
 * Packets for the services of IPVS pass by conntrack: IPVS remembers its flows itself, and has the kernel drop what conntrack noted of a packet
 * (net/netfilter/ipvs/ip_vs_xmit.c, ip_vs_notrack). Where conntrack is at work, for the nftables driver's table or for a firewall, each of them
 * would be the first packet of a new flow to it, and to every rule that is for those: measured, a fifth of the throughput.
 *
 * It has a table of its own, since that of the nftables driver outlives a change of the daemon's version only if its layout is the same.
 */
import type { Nft } from '../dataplane/nft.ts';
import type { Log } from '../host/ports.ts';
import type { ServiceName, VirtualService } from './layout.ts';

export const TABLE = 'inet bivouac_ipvs';
/** Elements in one command. */
const ELEMENTS = 200;

type Listed = Pick<VirtualService, 'name' | 'transport' | 'vip' | 'port'>;

export class Untracked {
  private readonly open: () => Nft;
  private readonly anycastPort: number;
  private readonly log: Log;
  private nft: Nft | undefined;
  /** What the table has, which is not there when it has nothing; undefined when that is not known. */
  private there: Map<ServiceName, Listed> | undefined;

  /** `open`: called when there is something to do. `anycastPort`: its datagrams are redirected, which takes conntrack. */
  constructor(options: { readonly open: () => Nft; readonly anycastPort: number; readonly log: Log }) {
    this.open = options.open;
    this.anycastPort = options.anycastPort;
    this.log = options.log;
  }

  /** Lists these services and no others. Never rejects: without the table IPVS is slower, and that is all. */
  async hold(services: Iterable<Listed>): Promise<boolean> {
    const wanted = new Map<ServiceName, Listed>();
    for (const service of services)
      if (service.transport !== 'udp' || service.port !== this.anycastPort) wanted.set(service.name, service);
    if (wanted.size === 0) return this.there?.size === 0 || this.release();
    const text = renderUntracked(this.there, wanted);
    const done = text === '' || (await this.run(text));
    this.there = done ? wanted : undefined;
    return done;
  }

  /** Takes the table out, whoever has left it. */
  async release(): Promise<boolean> {
    const done = await this.run(`add table ${TABLE}\ndelete table ${TABLE}\n`);
    this.there = done ? new Map() : undefined;
    return done;
  }

  close(): void {
    this.nft?.close();
  }

  private async run(text: string): Promise<boolean> {
    this.nft ??= this.open();
    const { ok, error } = await this.nft.run(text);
    if (!ok) this.log('warning', 'dataplane-tracked', { table: TABLE, reason: error });
    return ok;
  }
}

/** What makes the table (`before`: undefined, whatever there may be) or changes it. Pure. */
export function renderUntracked(
  before: ReadonlyMap<ServiceName, Listed> | undefined,
  after: ReadonlyMap<ServiceName, Listed>,
): string {
  const anew = before === undefined || before.size === 0;
  const goes = anew ? [] : [...before.values()].filter(({ name }) => !after.has(name));
  const comes = [...after.values()].filter(({ name }) => anew || !before.has(name));
  return [...(anew ? [LAYOUT] : []), ...elements('delete', goes), ...elements('add', comes)].join('');
}

const LAYOUT = `add table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
	set services4 { type ipv4_addr . inet_proto . inet_service; }
	set services6 { type ipv6_addr . inet_proto . inet_service; }
	chain raw_in {
		type filter hook prerouting priority raw; policy accept;
		ip daddr . meta l4proto . th dport @services4 notrack
		ip6 daddr . meta l4proto . th dport @services6 notrack
	}
}
`;

function* elements(verb: string, services: readonly Listed[]): Iterable<string> {
  for (const family of [4, 6]) {
    const list = services
      .filter(({ vip }) => vip.includes(':') === (family === 6))
      .map(({ vip, transport, port }) => `${vip} . ${transport} . ${port}`);
    for (let at = 0; at < list.length; at += ELEMENTS)
      yield `${verb} element ${TABLE} services${family} { ${list.slice(at, at + ELEMENTS).join(', ')} }\n`;
  }
}
