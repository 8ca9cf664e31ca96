/**
 * Options of the client's calls and their defaults.
 */
import type { Environment } from '../transport/environment.ts';
import type { PublicKey } from './trust.ts';

export interface QueryOptions {
  /**
   * Whom to ask: addresses or names of a VIP, a manager or a GSLB; the next one, too, when one has not answered for `timeout`.
   * Default: the VIP itself; for a name what DNS says of it; else the default router, which in a cell is its manager.
   */
  readonly via?: string | readonly string[];
  /** UDP port there. Default 9747. */
  readonly port?: number;
  /** Ask by anycast ARP on this interface instead (needs the package `cap` and CAP_NET_RAW). */
  readonly link?: string;
  /** ms that one transmission is waited for. Default 1000. */
  readonly timeout?: number;
  /** How often to transmit again. Default 2. */
  readonly retries?: number;
  /** At most so many servers, 1…255; 0 = all. Default 0. */
  readonly want?: number;
  /** Take signed answers only. Default: true if there is a `publicKey`. */
  readonly signed?: boolean;
  /** The trusted managers' keys. */
  readonly publicKey?: PublicKey | readonly PublicKey[];
  readonly signal?: AbortSignal;
}

export interface ClientOptions extends QueryOptions {
  /** Default: Node's own network. */
  readonly environment?: Environment;
}

export const DEFAULTS = { timeout: 1000, retries: 2 } as const;
