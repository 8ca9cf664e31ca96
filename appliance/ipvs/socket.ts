/** What the driver needs of the host: netlink towards IPVS and the routing tables, and the kernel's list of connections. */

/** Sends requests, each to be acknowledged; gives the errno of each, 0 when done. -1: it could not be sent. */
export type Send = (requests: readonly Uint8Array[]) => Promise<readonly number[]>;

export interface IpvsSocket {
  readonly send: Send;
  /** Sends one request and gives each answer to `onMessage`. Rejects with the kernel's error. */
  request(message: Uint8Array, onMessage?: (type: number, payload: Uint8Array) => void): Promise<void>;
  close(): void;
}

/** Gives the lines of /proc/net/ip_vs_conn, bounded in number; the event loop runs in between. */
export type ReadConnections = (onLine: (line: string) => void) => Promise<void>;
