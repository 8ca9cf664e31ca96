/**
 * Unasked invitations (docs/protocol.md §7.7): a manager that has seen this host come tells where to register. A hint, which anybody
 * on the link can forge: it is tried no more often than it does good, and TLS decides.
 */
import type { ManagerAddress } from '../../sdk/server/events.ts';
import type { Environment } from '../../sdk/transport/environment.ts';
import type { Address } from '../../sdk/wire/address.ts';
import { decodeAnycast } from '../../sdk/wire/anycast.ts';
import { WELL_KNOWN } from '../../sdk/wire/messages.ts';
import type { Log, Millis } from '../host/ports.ts';

/** No more often than this is one looked at. */
const LEAST_PAUSE: Millis = 10;

/** Listens at the well-known port; where that is taken (a manager runs here, too) nobody is invited. */
export async function hearInvitations(
  { clock, net }: Pick<Environment, 'clock' | 'net'>,
  log: Log,
  onInvited: (manager: ManagerAddress, by: Address) => void,
): Promise<{ close(): void }> {
  let last = Number.NEGATIVE_INFINITY;
  const hear = (bytes: Uint8Array, by: Address): void => {
    if (clock.now() - last < LEAST_PAUSE) return;
    last = clock.now();
    const invited = read(bytes);
    if (invited !== undefined) onInvited(invited, by);
  };
  try {
    return await net.datagram(
      { address: '0.0.0.0' as Address, port: WELL_KNOWN.anycastPort },
      hear,
      () => {},
    );
  } catch (error) {
    log('info', 'invitations-not-heard', { error: (error as Error).message });
    return { close() {} };
  }
}

function read(bytes: Uint8Array): ManagerAddress | undefined {
  try {
    const message = decodeAnycast(bytes);
    if (message.type !== 'invite' || message.nonce.some(byte => byte !== 0)) return undefined;
    return { address: message.address, port: message.port };
  } catch {
    return undefined;
  }
}
