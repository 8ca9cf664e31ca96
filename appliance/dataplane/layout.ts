/**
 * The table `inet bivouac` without any farm: hooks, shared chains, and the maps that farms are elements of. A change of a farm never
 * touches a rule here. It has two parts: what VIPs want whoever balances them, and what farms want. Where IPVS has all farms the first is there
 * alone: the hooks of the second would cost each packet of IPVS's a tenth of its way, and find nothing to do.
 *
 * A new flow in `nat` mode: nat_dispatch → f<id> (a slot) and back → slots (its member) → nat_take (DNAT; the mark goes into conntrack).
 * The kernel walks every chain that can be reached whenever a rule is added, so a farm's own is one rule and leads nowhere else.
 * `direct` mode: raw_in, before conntrack, which would see one direction only. The server's own address is put in as destination
 * so that routing finds the server, by a host route through the server itself as gateway (routes.ts): the gateway, not the
 * destination, then says whose MAC it is, and `direct_restore` can put the VIP back as the packet leaves. So it does not matter whether
 * the VIP is an address of this host, and there is one rule and one table for all. Which server a flow has is remembered in tcp4, udp4.
 * A VIP that has just lost its last direct farm stays in late_vips4 for a minute, so that its flows are still met and reset; not so when
 * its server has roamed: what still comes goes after it.
 * A process on this host itself reaches a direct farm only if the VIP is no address here (else it would be its own source).
 * A flow of ours whose server is no longer in `live` is dead: TCP is reset in both directions, UDP dropped (direct: moved).
 */
import { FARM_MASK, OWNER, OWNER_MASK } from './mark.ts';

/** Raised with every change of this text or of farm.ts that an older daemon's table does not fit. */
export const LAYOUT = 4;
export const TABLE = 'inet bivouac';
/** Packets with this mark (farm 0, which is none) are the driver's own probes to clients of dead servers (cut.ts): conntrack must not see them. */
export const PROBE_MARK = OWNER + 0xb1;
/** Matches a flow that is none of ours: unmarked, or marked by other software. */
const OTHERS = `ct mark and 0x${OWNER_MASK.toString(16)} != 0x${OWNER.toString(16)}`;

/** Most flows remembered in `direct` mode, for each transport. */
const FLOWS = 1 << 20;
/** Most clients remembered by one farm with affinity. */
export const AFFINE_CLIENTS = 1 << 16;
/** Idle time of a flow: RFC 5382 REQ-5 (2 h 4 min; 4 min while opening or closing), RFC 4787 REQ-5 (5 min). */
const IDLE = { established: '2h4m', transitory: '4m', udp: '5m' };

/** Remembered TCP flows with at least this time to live (ms) are established, and not idle for more than an hour. */
export const SETTLED = 3_600_000;

const FLOW4 = 'ipv4_addr . inet_service . ipv4_addr . inet_service';
const flowOf = (l4: 'tcp' | 'udp'): string => `ip saddr . ${l4} sport . ip daddr . ${l4} dport`;

/** The text that makes the whole table. `port` is that of anycast ARP over UDP. */
export const renderLayout = (port: number): string => renderVipPart(port) + renderFarmPart(port);

/** Anycast ARP for VIPs over UDP, probes that conntrack must not see (nor a masquerade of somebody else's), and the notes of what was set. */
export const renderVipPart = (port: number): string => `add table ${TABLE}
table ${TABLE} {
	chain layout-${LAYOUT}-${port} {
	}

${families(family => `	set vips${family} { type ${addr(family)}; }`)}
	set sysctls { type mark; }

	chain nat_in {
		type nat hook prerouting priority dstnat; policy accept;
${families(family => `		${ip(family)} daddr @vips${family} udp dport ${port} redirect`)}
	}
	chain probes {
		type filter hook output priority raw; policy accept;
		meta mark ${PROBE_MARK} notrack
	}
}
`;

/** A chain that is there with the part for farms, and only then. */
export const FARM_PART = 'nat_dispatch';

/** All that farms want; goes behind the part for VIPs. */
export function renderFarmPart(port: number): string {
  return `table ${TABLE} {
${families(
  family => `	map farms${family} { type ${addr(family)} . inet_proto . inet_service : verdict; }
	map ranges${family} { type ${addr(family)} . inet_proto . inet_service : verdict; flags interval; }
	map servers${family} { type mark : ${addr(family)}; }
	map mapped${family} { type mark : ${addr(family)} . inet_service; }`,
)}
	map direct4 { type ipv4_addr . inet_proto . inet_service : verdict; }
	map direct_ranges4 { type ipv4_addr . inet_proto . inet_service : verdict; flags interval; }
	map restore4 { type mark : ipv4_addr; }
	set direct_vips4 { type ipv4_addr; }
	set late_vips4 { type ipv4_addr; flags timeout; timeout 1m; }
	map tcp4 { type ${FLOW4} : mark; flags dynamic,timeout; size ${FLOWS}; timeout ${IDLE.transitory}; }
	map udp4 { type ${FLOW4} : mark; flags dynamic,timeout; size ${FLOWS}; timeout ${IDLE.udp}; }
	map slots { type mark : mark; }
	map touch { type mark : verdict; }
	map tags { type mark : mark; }
	set live { type mark; }
	set accepting { type mark; }
	set loops { type iface_index . iface_index; flags dynamic; size 4096; }

	chain refuse {
		meta l4proto tcp reject with tcp reset
		reject with icmpx type port-unreachable
	}

	chain nat_take {
		ct mark set meta mark
		add @loops { meta iif . meta iif }
${families(
  family => `		meta l4proto { tcp, udp } dnat ${ip(family)} addr . port to meta mark map @mapped${family}
		dnat ${ip(family)} to meta mark map @servers${family}`,
)}
		drop
	}
	chain ${FARM_PART} {
${families(
  family => `		${ip(family)} daddr @vips${family} udp dport ${port} return
		${ip(family)} daddr . meta l4proto . th dport vmap @farms${family}
		${ip(family)} daddr . meta l4proto . th dport vmap @ranges${family}`,
)}
		meta mark set meta mark map @slots goto nat_take
	}
	chain nat_in {
		jump ${FARM_PART}
	}
	chain nat_local {
		type nat hook output priority -100; policy accept;
		jump ${FARM_PART}
	}
	chain nat_out {
		type nat hook postrouting priority srcnat; policy accept;
		${OTHERS} accept
		meta iif . meta oif @loops masquerade
		fib saddr type local masquerade
	}

	chain flows {
		${OTHERS} return
		ct mark != @live goto dead
		ct direction original ct mark and ${FARM_MASK} vmap @touch
	}
	chain dead {
		tcp flags & rst != 0 return
		meta l4proto tcp reject with tcp reset
		drop
	}
	chain flows_in {
		type filter hook prerouting priority mangle; policy accept;
		jump flows
	}
	chain flows_local {
		type filter hook output priority mangle; policy accept;
		jump flows
	}

	chain direct_take {
		add @tcp4 { ${flowOf('tcp')} timeout ${IDLE.transitory} : meta mark }
		add @udp4 { ${flowOf('udp')} timeout ${IDLE.udp} : meta mark }
		notrack
		ip daddr set meta mark map @servers4 accept
		drop
	}
	chain direct_dispatch {
		ip daddr @vips4 udp dport ${port} return
		ip daddr . meta l4proto . th dport vmap @direct4
		ip daddr . meta l4proto . th dport vmap @direct_ranges4
		meta mark set meta mark map @slots goto direct_take
	}
	chain direct_tcp {
		meta mark and ${FARM_MASK} vmap @touch
		tcp flags & (fin | rst) != 0 update @tcp4 { ${flowOf('tcp')} timeout ${IDLE.transitory} : meta mark }
		tcp flags & (fin | rst) == 0 update @tcp4 { ${flowOf('tcp')} timeout ${IDLE.established} : meta mark }
		notrack
		ip daddr set meta mark map @servers4 accept
		delete @tcp4 { ${flowOf('tcp')} : meta mark }
		tcp flags & (fin | syn | rst | ack) == syn goto direct_dispatch
		jump direct_dispatch
		goto refuse
	}
	chain direct_udp {
		meta mark and ${FARM_MASK} vmap @touch
		update @udp4 { ${flowOf('udp')} timeout ${IDLE.udp} : meta mark }
		notrack
		ip daddr set meta mark map @servers4 accept
		delete @udp4 { ${flowOf('udp')} : meta mark }
		goto direct_dispatch
	}
	chain direct {
		meta mark set ip saddr . tcp sport . ip daddr . tcp dport map @tcp4 goto direct_tcp
		meta mark set ip saddr . udp sport . ip daddr . udp dport map @udp4 goto direct_udp
		goto direct_dispatch
	}
	chain raw_in {
		type filter hook prerouting priority raw; policy accept;
		ip saddr @direct_vips4 notrack
		ip daddr @direct_vips4 jump direct
		ip daddr @late_vips4 jump direct
	}
	chain raw_local {
		type route hook output priority raw; policy accept;
		ip daddr @direct_vips4 jump direct
		ip daddr @late_vips4 jump direct
	}
	chain direct_restore {
		type filter hook postrouting priority 300; policy accept;
		ct state untracked ip daddr set meta mark and ${FARM_MASK} map @restore4
	}
}
`;
}

const addr = (family: 4 | 6): string => (family === 4 ? 'ipv4_addr' : 'ipv6_addr');
const ip = (family: 4 | 6): string => (family === 4 ? 'ip' : 'ip6');
const families = (text: (family: 4 | 6) => string): string => ([4, 6] as const).map(text).join('\n');
