/**
 * What the box's console shows: what it is, what it found, and what is missing. Pure.
 */
import type { BoxFacts } from './facts.ts';

export interface ScreenPort {
  readonly name: string;
  readonly role: 'wan' | 'lan';
  readonly carrier: boolean;
  readonly addresses: readonly string[];
}

/** What the box's own parts told when it was configured. */
export interface Report {
  /** Of the manager. */
  readonly name: string;
  readonly place: 'usb' | 'esp' | 'kept' | 'defaults';
  readonly path: string;
  /** What was refused, in sentences. */
  readonly refused: readonly string[];
  readonly tls: boolean;
  readonly ports: {
    readonly wan: string | undefined;
    readonly lan: readonly string[];
    readonly reason: string;
  };
  /** The link that servers and clients are on. */
  readonly link: string | undefined;
  /** Of the neighbour that speaks OSPF but cannot be joined. */
  readonly ospf?: string;
  /** Keys that may log in: their fingerprints. */
  readonly keys: readonly string[];
}

export interface Sight {
  readonly box: BoxFacts | undefined;
  /** Undefined until it was configured. */
  readonly report: Report | undefined;
  readonly ports: readonly ScreenPort[];
  /** Undefined while no manager answers. */
  readonly manager:
    | {
        readonly servers: number;
        readonly services: number;
        readonly up: number;
        readonly neighbours: readonly string[];
        readonly problems: readonly string[];
      }
    | undefined;
  /** On trial: starts that are left. */
  readonly trial: number | undefined;
  /** What was done to the state partition, if it was damaged: sentences. */
  readonly state: readonly string[];
  /** SHA-256 fingerprint of the host's SSH key. */
  readonly hostKey: string | undefined;
}

/** Characters of a line; longer ones are cut. */
const WIDTH = 79;
const MOST_LINES = 23;

/** The screen's lines, at most 23 of 79 characters, of printable ASCII alone: it goes to terminals. */
export function renderScreen(sight: Sight): string {
  const { box, report } = sight;
  const lines = [
    `Bivouac ${box?.version ?? ''} (${box?.profile ?? 'no image'}), slot ${box?.slot ?? '-'}${
      sight.trial === undefined ? '' : `, on trial (${sight.trial} left)`
    }`,
    '',
    ...(report === undefined ? ['It has not been configured yet.'] : about(report)),
    '',
    ...sight.ports.map(portLine),
    '',
    managerLine(sight),
    ...(sight.manager?.neighbours.map(neighbour => `  OSPF neighbour ${neighbour}`) ?? []).slice(0, 3),
    '',
    ...missing(sight).map(sentence => `! ${sentence}`),
  ];
  return `${lines
    .slice(0, MOST_LINES)
    .map(line =>
      line
        .replaceAll(/[^ -~]/g, '?')
        .slice(0, WIDTH)
        .trimEnd(),
    )
    .join('\n')}\n`;
}

const FROM = {
  usb: 'a USB stick',
  esp: 'the boot partition',
  kept: 'the last good one, kept',
  defaults: "the box's own defaults",
} as const;

const about = ({ name, place, path, ports }: Report): string[] => [
  `Manager ${name}, configured by ${FROM[place]}${place === 'defaults' ? '' : ` (${path})`}`,
  ...(ports.wan === undefined ? [] : [`WAN is ${ports.wan}: ${ports.reason}`]),
];

const portLine = ({ name, role, carrier, addresses }: ScreenPort): string =>
  `  ${role} ${name.padEnd(10)} ${carrier ? 'up      ' : 'no cable'}  ${addresses.join(' ') || 'no address'}`;

function managerLine({ manager }: Sight): string {
  if (manager === undefined) return 'The manager is not running.';
  const { servers, services, up } = manager;
  return `The manager runs: servers ${servers}, services ${services}, up ${up}.`;
}

/** What keeps the box from doing all that it could, the gravest first. */
export function missing({ report, ports, manager, state, hostKey }: Sight): string[] {
  const found: string[] = [...state];
  if (report === undefined) return found;
  found.push(...report.refused.map(fault => `refused: ${fault}`));
  // The manager has what befell the state from the same place.
  found.push(...(manager?.problems ?? []).filter(problem => !state.includes(problem)));
  if (!report.tls)
    found.push('no certificate: ANYBODY on the access ports may register (bivouac pki bundle)');
  if (ports.length === 0) found.push('no network port was found');
  if (ports.some(({ role, addresses }) => role === 'wan' && addresses.length === 0))
    found.push('the WAN has no address: no cable, or nobody serves DHCP there');
  if (report.ospf !== undefined) found.push(report.ospf);
  else if (manager !== undefined && manager.neighbours.length === 0)
    found.push('no OSPF neighbour: VIPs are known in this cell alone');
  if (report.keys.length === 0)
    found.push('no SSH key: paste a public key here, or put it into bivouac.json (box.ssh.keys)');
  else if (hostKey !== undefined) found.push(`SSH for ${report.keys.length} keys; this host is ${hostKey}`);
  return found;
}
