/**
 * The kernel's connections of IPVS, which only /proc/net/ip_vs_conn tells of (net/netfilter/ipvs/ip_vs_conn.c, ip_vs_conn_seq_show), one a line:
 *
 *     Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
 *     TCP 0A090002 A1B2 0A320001 0050 0A01000B 0050 ESTABLISHED     899
 *     TCP fd09:0000:…:0002 A1B2 fd50:0000:…:0001 0050 fd01:0000:…:000b 0050 ESTABLISHED     899
 *
 * Pure.
 */
import { type Address, addressFromBytes, parseAddress } from '../../sdk/wire/address.ts';
import type { Flow } from '../dataplane/flow.ts';
import { serviceName } from './layout.ts';

/** A connection, and the destination that has it. */
export interface IpvsConnection extends Flow {
  readonly server: Address;
  readonly serverPort: number;
}

/** What a client answers a probe in. */
const SYNCHRONIZED = new Set(['ESTABLISHED', 'FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK']);

/** A line as a connection of TCP or UDP; undefined for any other. */
export function readConnection(line: string): IpvsConnection | undefined {
  const [protocol, from, fromPort, to, toPort, at, atPort, state = ''] = line.trim().split(/\s+/, 8);
  if (protocol !== 'TCP' && protocol !== 'UDP') return undefined;
  const [client, vip, server] = [readAddress(from), readAddress(to), readAddress(at)];
  const [clientPort, vipPort, serverPort] = [readPort(fromPort), readPort(toPort), readPort(atPort)];
  if (client === undefined || vip === undefined || server === undefined) return undefined;
  // A template of persistence has no port of the client's.
  if (clientPort === undefined || vipPort === undefined || serverPort === undefined || clientPort === 0)
    return undefined;
  const transport = protocol === 'TCP' ? 'tcp' : 'udp';
  const established = transport === 'udp' || state === 'ESTABLISHED';
  if (transport === 'tcp' && !SYNCHRONIZED.has(state)) return undefined;
  return { client, clientPort, vip, vipPort, transport, mark: 0, established, server, serverPort };
}

/** Names the destination that a connection has. */
export const destinationOf = ({ transport, vip, vipPort, server, serverPort }: IpvsConnection): string =>
  `${serviceName(transport, vip, vipPort)} ${server}|${serverPort}`;

function readAddress(text = ''): Address | undefined {
  if (text.includes(':')) return parseAddress(text);
  const bytes = /^[0-9a-f]{8}$/i.test(text) ? text.match(/../g)! : [];
  return addressFromBytes(Uint8Array.from(bytes, byte => Number.parseInt(byte, 16)));
}

const readPort = (text = ''): number | undefined =>
  /^[0-9a-f]{4}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
