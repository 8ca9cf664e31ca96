/** DHCP messages and frames as a test writes them. */
import { DHCP_TYPES, type DhcpType } from '../../appliance/roaming/dhcp-message.ts';
import { udpFrame } from '../../appliance/roaming/udp-frame.ts';
import { address, addressBytes, type Mac, macBytes } from '../../sdk/wire/address.ts';

export interface Written {
  readonly mac?: string;
  readonly current?: string;
  readonly given?: string;
  readonly relay?: string;
  readonly client?: readonly number[];
  readonly name?: string;
  readonly requested?: string;
  readonly server?: string;
  readonly lease?: number;
  /** More options, as code → bytes, before the end. */
  readonly more?: readonly (readonly [number, readonly number[]])[];
}

export const HOST_MAC = '02:00:00:00:01:01' as Mac;
const FROM_SERVER: readonly DhcpType[] = ['offer', 'ack', 'nak'];
const ip = (text: string): number[] => [...addressBytes(address(text))];

export function dhcpBytes(type: DhcpType, fields: Written = {}): Uint8Array {
  const bytes = new Uint8Array(240);
  bytes.set([FROM_SERVER.includes(type) ? 2 : 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78]);
  for (const [at, text] of [
    [12, fields.current],
    [16, fields.given],
    [24, fields.relay],
  ] as const)
    if (text !== undefined) bytes.set(ip(text), at);
  bytes.set(macBytes((fields.mac ?? HOST_MAC) as Mac), 28);
  bytes.set([0x63, 0x82, 0x53, 0x63], 236);
  const { client, name, requested, server, lease, more = [] } = fields;
  const options: (readonly [number, readonly number[]])[] = [[53, [DHCP_TYPES.indexOf(type) + 1]]];
  if (client) options.push([61, client]);
  if (name !== undefined) options.push([12, [...new TextEncoder().encode(name)]]);
  if (requested) options.push([50, ip(requested)]);
  if (server) options.push([54, ip(server)]);
  if (lease !== undefined)
    options.push([51, [lease >>> 24, (lease >>> 16) & 255, (lease >>> 8) & 255, lease & 255]]);
  options.push(...more);
  return Uint8Array.from([
    ...bytes,
    ...options.flatMap(([code, value]) => [code, value.length, ...value]),
    255,
  ]);
}

/** The message in a broadcast frame. */
export function dhcpFrame(type: DhcpType, fields: Written = {}): Uint8Array {
  const fromServer = FROM_SERVER.includes(type);
  return udpFrame({
    from: {
      mac: (fromServer ? '02:00:00:00:00:01' : (fields.mac ?? HOST_MAC)) as Mac,
      address: address(fromServer ? '10.1.0.1' : (fields.current ?? '0.0.0.0')),
      port: fromServer ? 67 : 68,
    },
    to: { mac: 'ff:ff:ff:ff:ff:ff' as Mac, address: address('255.255.255.255'), port: fromServer ? 68 : 67 },
    payload: dhcpBytes(type, fields),
  });
}
