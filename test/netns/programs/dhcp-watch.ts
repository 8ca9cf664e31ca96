/**
 * The rooms of DHCP as the manager has them, with one server known by its hardware address. Prints, as lines of JSON, what hosts are
 * seen whenever that changes, and each hastened check. Runs as a program of its own (bundled by dhcp.test.ts).
 *
 *     argv: the options as JSON
 */

import type { DhcpCell } from '../../../appliance/config/config.ts';
import { createDhcp } from '../../../appliance/dhcp/dnsmasq.ts';
import { createClock } from '../../../appliance/host/clock.ts';
import { createExec } from '../../../appliance/host/exec.ts';
import { createFiles } from '../../../appliance/host/files.ts';
import { linuxLinks } from '../../../appliance/host/links.ts';
import { hex } from '../../../appliance/roaming/lease-view.ts';
import { createRoaming } from '../../../appliance/roaming/roaming.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ServerId } from '../../../sdk/wire/model.ts';

export interface WatchOptions {
  readonly access: readonly string[];
  readonly own: string;
  /** htype and hardware address of the known server's host, in hex. */
  readonly known: string;
  readonly directory: string;
  readonly cells: readonly DhcpCell[];
}

const options = JSON.parse(process.argv[2]!) as WatchOptions;
const print = (value: object): void => console.log(JSON.stringify(value));
const log = (_level: string, event: string, fields: object = {}): void => print({ log: event, ...fields });
const clock = createClock();
const server = 'aa'.repeat(32) as ServerId;
const links = await linuxLinks(sentence => print({ problem: sentence }));
const room = createRoaming({
  clock,
  links,
  log,
  access: options.access,
  known: {
    serverAt: () => undefined,
    serverOf: ids => (ids.some(id => hex(id) === options.known) ? server : undefined),
    isRegistered: () => false,
    isHere: () => true,
    hostsOf: () => [],
  },
  invitation: () => ({
    message: Uint8Array.of(0x42, 0x56, 1, 0x26),
    from: address(options.own),
    port: 9747,
    send: () => print({ routed: true }),
  }),
  hasten: (_, reason) => print({ hasten: reason.code }),
  seen: () => {},
});
const dhcp = createDhcp({
  clock,
  exec: createExec(),
  files: createFiles(),
  links,
  log,
  directory: options.directory,
  registration: { address: undefined, port: 9746 },
  onProblems: problems => print({ problems }),
});
dhcp.set(options.cells);

let last = '';
setInterval(() => {
  const hosts = room.hosts().map(({ state, address: at, name, relay, hardware, hint }) => ({
    ...{ state, at, name, relay, hint: hint.split(':')[0] },
    hardware: hex(hardware),
  }));
  const text = JSON.stringify({ hosts });
  if (text !== last) console.log(text);
  last = text;
}, 5);
process.once('SIGTERM', () => {
  room.close();
  void dhcp.close().then(() => process.exit(0));
});
