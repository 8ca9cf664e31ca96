/**
 * Balanced flows as the kernel tells of them: conntrack's (linux/netfilter/nfnetlink_conntrack.h) for `nat`, and the elements of the map
 * tcp4 (linux/netfilter/nf_tables.h) for `direct`. Pure codecs.
 */
import { type Address, addressFromBytes } from '../../sdk/wire/address.ts';
import {
  attribute,
  attributes,
  big32,
  each,
  NLM_F,
  netfilterAttributes,
  netfilterMessage,
  readBig,
  zeroed,
} from './attributes.ts';
import { isOurs } from './mark.ts';

/** A flow as its client sees it. */
export interface Flow {
  readonly client: Address;
  readonly clientPort: number;
  readonly vip: Address;
  readonly vipPort: number;
  readonly transport: 'tcp' | 'udp';
  readonly mark: number;
  /** Neither opening nor closing (UDP: always). */
  readonly established: boolean;
}

const CTNETLINK = 1;
const CT_GET = 1;
const CT_DELETE = 2;
const CTA = { tupleOrig: 1, protoInfo: 4, mark: 8, markMask: 21 } as const;
const CTA_TUPLE = { ip: 1, proto: 2 } as const;
const CTA_IP = { src4: 1, dst4: 2, src6: 3, dst6: 4 } as const;
const CTA_PROTO = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
/** linux/netfilter/nf_conntrack_tcp.h */
const TCP_ESTABLISHED = 3;
const TCP_TIME_WAIT = 7;

const byMark = (mark: number): Uint8Array[] => [
  attribute(CTA.mark, big32(mark)),
  attribute(CTA.markMask, big32(0xffffffff)),
];

/** Asks for conntrack's flows with this mark, or for all. */
export const listTracked = (mark?: number): Uint8Array =>
  netfilterMessage(CTNETLINK, CT_GET, NLM_F.request | NLM_F.dump, 0, mark === undefined ? [] : byMark(mark));

/** Takes all of conntrack's flows with this mark out. */
export const forgetTracked = (mark: number): Uint8Array =>
  netfilterMessage(CTNETLINK, CT_DELETE, NLM_F.request | NLM_F.ack, 0, byMark(mark));

/** The mark of a conntrack entry, of whatever kind; undefined if it is not ours. */
export const markOf = (payload: Uint8Array): number | undefined => ourMark(netfilterAttributes(payload));

function ourMark(entry: ReturnType<typeof netfilterAttributes>): number | undefined {
  const mark = readBig(entry.get(CTA.mark), 4);
  return mark !== undefined && isOurs(mark) ? mark : undefined;
}

/** A conntrack entry as a flow; undefined if it is not balanced (its mark is not ours), is over, or is neither TCP nor UDP. */
export function readTracked(payload: Uint8Array): Flow | undefined {
  const entry = netfilterAttributes(payload);
  const mark = ourMark(entry);
  const original = entry.get(CTA.tupleOrig);
  if (mark === undefined || original === undefined) return undefined;
  const tuple = attributes(original);
  const ip = attributes(tuple.get(CTA_TUPLE.ip) ?? NONE);
  const proto = attributes(tuple.get(CTA_TUPLE.proto) ?? NONE);
  const client = addressFromBytes(ip.get(CTA_IP.src4) ?? ip.get(CTA_IP.src6) ?? NONE);
  const vip = addressFromBytes(ip.get(CTA_IP.dst4) ?? ip.get(CTA_IP.dst6) ?? NONE);
  const number = readBig(proto.get(CTA_PROTO.number), 1);
  const clientPort = readBig(proto.get(CTA_PROTO.sourcePort), 2);
  const vipPort = readBig(proto.get(CTA_PROTO.destinationPort), 2);
  if (client === undefined || vip === undefined || clientPort === undefined || vipPort === undefined)
    return undefined;
  const rest = { client, clientPort, vip, vipPort, mark };
  if (number === 17) return { ...rest, transport: 'udp', established: true };
  if (number !== 6) return undefined;
  const info = attributes(attributes(entry.get(CTA.protoInfo) ?? NONE).get(CTA_PROTOINFO_TCP) ?? NONE);
  const state = readBig(info.get(CTA_PROTOINFO_TCP_STATE), 1) ?? 0;
  if (state >= TCP_TIME_WAIT) return undefined;
  return { ...rest, transport: 'tcp', established: state === TCP_ESTABLISHED };
}

const NFTABLES = 10;
const NFT_GETSETELEM = 13;
const NFPROTO_INET = 1;
const NFTA_SET_ELEM_LIST = { table: 1, set: 2, elements: 3 } as const;
const NFTA_SET_ELEM = { key: 1, data: 2, expiration: 5 } as const;
const NFTA_DATA_VALUE = 1;

/** Asks for the elements of the map of remembered TCP flows. */
export const listRemembered = (table: string, map: string): Uint8Array =>
  netfilterMessage(NFTABLES, NFT_GETSETELEM, NLM_F.request | NLM_F.dump, NFPROTO_INET, [
    attribute(NFTA_SET_ELEM_LIST.table, zeroed(table)),
    attribute(NFTA_SET_ELEM_LIST.set, zeroed(map)),
  ]);

/**
 * The flows in one message of elements. Key: client (4), its port (2 + 2), VIP (4), its port (2 + 2). Data: the mark, in host order.
 * `settled`: elements that have at least that many ms to live are established.
 */
export function readRemembered(
  payload: Uint8Array,
  transport: 'tcp' | 'udp',
  settled: number,
): readonly Flow[] {
  const flows: Flow[] = [];
  each(netfilterAttributes(payload).get(NFTA_SET_ELEM_LIST.elements) ?? NONE, (_, value) => {
    const element = attributes(value);
    const key = attributes(element.get(NFTA_SET_ELEM.key) ?? NONE).get(NFTA_DATA_VALUE);
    const data = attributes(element.get(NFTA_SET_ELEM.data) ?? NONE).get(NFTA_DATA_VALUE);
    const client = addressFromBytes(key?.subarray(0, 4) ?? NONE);
    const vip = addressFromBytes(key?.subarray(8, 12) ?? NONE);
    if (key === undefined || key.length < 16 || data?.length !== 4 || !client || !vip) return;
    const left = element.get(NFTA_SET_ELEM.expiration);
    const time = left?.length === 8 ? Number(view(left).getBigUint64(0)) : 0;
    flows.push({
      client,
      clientPort: view(key).getUint16(4),
      vip,
      vipPort: view(key).getUint16(12),
      transport,
      mark: view(data).getUint32(0, true),
      established: time >= settled,
    });
  });
  return flows;
}

const NONE = new Uint8Array(0);
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
