/**
 * A session's connection over a stream: messages to bytes and back, and the limits that bind the manager, too.
 */
import type { Identity, Net } from '../transport/environment.ts';
import type { Address } from '../wire/address.ts';
import { type ManagerMessage, type ServerMessage, WELL_KNOWN } from '../wire/messages.ts';
import { encodeRegistration } from '../wire/registration.ts';
import { RegistrationParser } from '../wire/stream.ts';
import type { ManagerAddress } from './events.ts';

/** One connection to a manager. */
export interface Connection {
  /** This end's address and the manager's certificate (DER), once it is open, so far as they are known. */
  readonly local: Address | undefined;
  readonly certificate: Uint8Array | undefined;
  send(message: ServerMessage): void;
  /** `orderly`: what was sent still goes out. */
  close(orderly: boolean): void;
}

export interface ConnectionHandlers {
  onOpen(): void;
  onMessage(message: ManagerMessage): void;
  /** Once, and the last call. */
  onClose(reason: string): void;
}

/** Bytes that a manager may leave unread before it counts as stuck. */
const MOST_PENDING = 4 * 1024 * 1024;

const FROM_MANAGER: ReadonlySet<string> = new Set([
  'registered',
  'lease',
  'done',
  'refused',
  'service-state',
  'lease-revoked',
  'pace',
  'heartbeat',
]);

/** Connects by TLS 1.3 with the mission's certificate, or by plain TCP without one. */
export const connectWith =
  (net: Net, identity: Identity | undefined) =>
  (to: ManagerAddress, handlers: ConnectionHandlers): Connection => {
    const parser = new RegistrationParser();
    let over = false;
    const close = (reason: string): void => {
      if (over) return;
      over = true;
      handlers.onClose(reason);
    };
    const tls = identity && { identity, verify: true, alpn: [WELL_KNOWN.alpn] };
    const stream = net.connect(
      { address: to.address, port: to.port, ...(tls && { tls }) },
      {
        onOpen: () => {
          if (!over) handlers.onOpen();
        },
        onData(bytes) {
          if (over) return;
          try {
            for (const message of parser.push(bytes)) {
              if (!FROM_MANAGER.has(message.type)) throw new Error(`a manager never sends '${message.type}'`);
              if (!over) handlers.onMessage(message as ManagerMessage);
            }
          } catch (error) {
            stream.destroy();
            close(`the manager sent what cannot be read: ${(error as Error).message}`);
          }
        },
        onClose: error => close(error ?? 'the manager closed the connection'),
      },
    );
    return {
      get local() {
        return stream.localAddress;
      },
      get certificate() {
        return stream.peerCertificate;
      },
      send(message) {
        if (over) return;
        stream.write(encodeRegistration(message));
        if (stream.pending <= MOST_PENDING) return;
        stream.destroy();
        close(`the manager left ${stream.pending} bytes unread`);
      },
      close(orderly) {
        if (over) return;
        over = true;
        if (orderly) stream.end();
        else stream.destroy();
      },
    };
  };
