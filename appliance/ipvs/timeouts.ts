/**
 * How long IPVS remembers a connection that says nothing (linux/ip_vs.h, IPVS_CMD_SET_CONFIG; one for all services of a network namespace).
 * The kernel's own 15 minutes would cut quiet connections that nftables keeps. Pure codec.
 */
import { attribute, attributes, message, NLM_F } from '../dataplane/attributes.ts';

/** Seconds. */
export interface Timeouts {
  readonly established: number;
  readonly closing: number;
  readonly udp: number;
}

/** As of the nftables driver: RFC 5382 REQ-5 (2 h 4 min; 4 min while closing), RFC 4787 REQ-5 (5 min). */
export const TIMEOUTS: Timeouts = { established: 7440, closing: 240, udp: 300 };
/** The kernel's (net/netfilter/ipvs/ip_vs_proto_tcp.c, ip_vs_proto_udp.c). */
export const KERNEL_TIMEOUTS: Timeouts = { established: 900, closing: 120, udp: 300 };

const COMMAND = { set: 12, get: 13 } as const;
const VERSION = 1;
const ATTR = { established: 4, closing: 5, udp: 6 } as const;
const FLAGS = NLM_F.request | NLM_F.ack;

export const askTimeouts = (family: number): Uint8Array =>
  message(family, FLAGS, Uint8Array.of(COMMAND.get, VERSION, 0, 0), []);

export const setTimeouts = (family: number, { established, closing, udp }: Timeouts): Uint8Array =>
  message(family, FLAGS, Uint8Array.of(COMMAND.set, VERSION, 0, 0), [
    attribute(ATTR.established, host32(established)),
    attribute(ATTR.closing, host32(closing)),
    attribute(ATTR.udp, host32(udp)),
  ]);

/** The answer to askTimeouts; undefined if this is none. */
export function readTimeouts(payload: Uint8Array): Timeouts | undefined {
  const list = attributes(payload.subarray(4));
  const [established, closing, udp] = [ATTR.established, ATTR.closing, ATTR.udp].map(type => {
    const bytes = list.get(type);
    return bytes?.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) : undefined;
  });
  return established === undefined || closing === undefined || udp === undefined
    ? undefined
    : { established, closing, udp };
}

export const sameTimeouts = (one: Timeouts, other: Timeouts): boolean =>
  one.established === other.established && one.closing === other.closing && one.udp === other.udp;

function host32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
