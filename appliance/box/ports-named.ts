/**
 * `wan` and `lan` in a configuration are the box's ports, whatever the kernel calls them. Pure.
 */
import type { Config } from '../config/config.ts';

/** The bridge that the access ports are put together in, where there are several. */
export const BRIDGE = 'lan0';

/** What the kernel calls them; undefined where the box has none. */
export interface PortNames {
  readonly wan: string | undefined;
  readonly lan: string | undefined;
}

/** The name of the link that servers and clients are on. */
export const lanName = (lan: readonly string[]): string | undefined => (lan.length > 1 ? BRIDGE : lan[0]);

/** The configuration's text with `wan` and `lan` put right. What names a port that the box has not stays as it is. */
export function nameInText(text: string, names: PortNames): string {
  const whole = JSON.parse(text) as Named;
  const each = (list: readonly string[] | undefined): string[] | undefined =>
    list && [...new Set(list.map(name => real(name, names)))];
  const inside = <T extends { interface: string }>(list: readonly T[] | undefined): T[] | undefined =>
    list?.map(entry => ({ ...entry, interface: real(entry.interface, names) }));
  const { access, routing, notices, dhcp, links, box, ...rest } = whole;
  // `box` is for the box alone.
  return `${JSON.stringify(
    {
      ...rest,
      ...(access && { access: each(access) }),
      ...(routing && {
        routing: { ...routing, ...(routing.interfaces && { interfaces: each(routing.interfaces) }) },
      }),
      ...(notices && {
        notices: { ...notices, ...(notices.interfaces && { interfaces: each(notices.interfaces) }) },
      }),
      ...(dhcp && { dhcp: inside(dhcp) }),
      ...(links && { links: inside(links) }),
    },
    undefined,
    2,
  )}\n`;
}

/** What the kernel calls a port of the configuration. */
export const real = (name: string, { wan, lan }: PortNames): string =>
  (name === 'wan' ? wan : name === 'lan' ? lan : undefined) ?? name;

/** The ports' addresses, under the kernel's names. */
export const realLinks = ({ box }: Config, names: PortNames): NonNullable<Config['box']>['links'] =>
  Object.fromEntries(Object.entries(box?.links ?? {}).map(([name, link]) => [real(name, names), link]));

interface Named {
  readonly access?: readonly string[];
  readonly routing?: { readonly interfaces?: readonly string[] };
  readonly notices?: { readonly interfaces?: readonly string[] };
  readonly dhcp?: readonly { readonly interface: string }[];
  readonly links?: readonly { readonly interface: string }[];
  readonly box?: unknown;
}
