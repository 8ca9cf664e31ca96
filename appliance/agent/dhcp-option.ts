/**
 * Managers that DHCP has named (docs/protocol.md, DHCP: option 224), out of what DHCP clients leave on disk. Pure: texts in,
 * addresses out. The texts come from the network by way of the client, so that only what is an address counts.
 */
import type { ManagerAddress } from '../../sdk/server/events.ts';
import { managerAddress } from '../../sdk/server/register.ts';

/** Managers that one option may name; bytes of it. */
const MOST = 8;
const LONGEST = 255;

/** `10.1.0.1:9746,10.1.0.2`: what is not an address is passed over. */
export function readOption(text: string): ManagerAddress[] {
  if (text.length > LONGEST) return [];
  return text
    .replace(/\0+$/, '')
    .split(',')
    .slice(0, MOST)
    .flatMap(part => {
      try {
        return [managerAddress(part.trim().replace(/^\[([^\]]*)\]$/, '$1'))];
      } catch {
        return [];
      }
    });
}

/** What our hook scripts write (dhcpcd, udhcpc, dhclient): the option's text, or its bytes in hex as udhcpc has them. */
export const readHookNote = (text: string): ManagerAddress[] => {
  const line = text.trim();
  return readOption(/^([0-9a-f]{2})+$/i.test(line) && !line.includes('.') ? fromHex(line) : line);
};

/** systemd-networkd's lease (/run/systemd/netif/leases/<index>): `OPTION_224=` and hex, with RequestOptions=224. */
export function readNetworkdLease(text: string): ManagerAddress[] {
  const hex = /^OPTION_224=([0-9a-f]*)$/im.exec(text)?.[1];
  return hex === undefined ? [] : readOption(fromHex(hex));
}

/**
 * dhclient's leases (dhclient.leases(5)): the last one of each interface counts. `option bivouac-managers "…"` where the option is
 * declared, else `option unknown-224` with text or hex.
 */
export function readDhclientLeases(text: string): Map<string, ManagerAddress[]> {
  const named = new Map<string, ManagerAddress[]>();
  for (const [, body] of text.matchAll(/^lease6? \{\n([\s\S]*?)^\}/gm)) {
    const link = /^\s*interface "([^"]{1,15})";/m.exec(body!)?.[1];
    const option = /^\s*option (?:bivouac-managers|unknown-224) ("?)([^";]*)\1;/m.exec(body!);
    if (link === undefined) continue;
    const value = option?.[2] ?? '';
    named.set(link, readOption(option?.[1] === '"' ? value : fromHex(value.replaceAll(':', ''))));
  }
  return named;
}

const fromHex = (hex: string): string =>
  (hex.match(/../g) ?? []).map(pair => String.fromCharCode(Number.parseInt(pair, 16))).join('');
