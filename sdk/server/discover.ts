/**
 * Finding a manager: a multicast solicitation, which managers answer with an invitation (docs/protocol.md, Finding a manager).
 */
import type { Environment } from '../transport/environment.ts';
import { nodeEnvironment } from '../transport/node.ts';
import type { Address } from '../wire/address.ts';
import { decodeAnycast, encodeAnycast } from '../wire/anycast.ts';
import { type AnycastMessage, VERSION, WELL_KNOWN } from '../wire/messages.ts';
import type { ManagerId } from '../wire/model.ts';
import type { ManagerAddress } from './events.ts';

/** A manager that has answered. What it says is not authenticated: the TLS handshake is. */
export interface Invitation extends ManagerAddress {
  readonly manager: ManagerId;
  readonly name: string;
  readonly tls: boolean;
}

export interface DiscoverOptions {
  /** Default: Node's own network. */
  readonly environment?: Environment;
  /** ms to listen for invitations. Default 400; the solicitation goes out twice in that time. */
  readonly wait?: number;
  /** Stop at the first. Default true. */
  readonly first?: boolean;
  readonly group?: Address;
  /** Own address to ask from: the solicitation goes out of the interface that has it. Default: the kernel's choice. */
  readonly from?: Address;
  /** UDP port. Default 9747. */
  readonly port?: number;
}

/** Invitations that are kept. */
const MOST = 32;

/** The managers that answer, in the order of their answers; none is no error. */
export async function discover(options: DiscoverOptions = {}): Promise<readonly Invitation[]> {
  const {
    wait = 400,
    first = true,
    group = WELL_KNOWN.solicitGroup4,
    port = WELL_KNOWN.anycastPort,
  } = options;
  const { clock, random, net } = options.environment ?? nodeEnvironment();
  const nonce = random.bytes(8);
  const found = new Map<string, Invitation>();
  let finish: () => void = () => {};
  const done = new Promise<void>(resolve => {
    finish = resolve;
  });
  const hear = (bytes: Uint8Array): void => {
    const message = decode(bytes);
    if (message?.type !== 'invite' || !equal(message.nonce, nonce) || found.size >= MOST) return;
    const { manager, name, address, port: at, tls } = message;
    found.set(`${address} ${at}`, { manager, name, address, port: at, tls });
    if (first) finish();
  };
  const any = (group.includes(':') ? '::' : '0.0.0.0') as Address;
  // An error means a network that cannot carry the group (no route, say); then nobody answers.
  const socket = await net
    .datagram({ address: options.from ?? any, port: 0 }, hear, () => {})
    .catch(() => undefined);
  if (socket === undefined) return [];
  const { oldest, newest } = VERSION;
  const send = (): void =>
    socket.send(encodeAnycast({ type: 'solicit', nonce, versions: [oldest, newest] }), port, group);
  send();
  const timers = [clock.after('solicit-again', wait / 2, send), clock.after('solicit-end', wait, finish)];
  await done;
  for (const timer of timers) timer.cancel();
  socket.close();
  return [...found.values()];
}

function decode(bytes: Uint8Array): AnycastMessage | undefined {
  try {
    return decodeAnycast(bytes);
  } catch {
    return undefined;
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
