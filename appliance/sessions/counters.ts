/**
 * What the sessions did, counted since the start: for the metrics.
 */
export class SessionCounters {
  /** Accepted connections that became sessions. */
  accepted = 0;
  readonly heartbeats = { sent: 0, heard: 0 };
  /** Messages passed on to the registry. */
  messages = 0;
  /** Refusals, of sessions and of the registry alike, by code; `tls` = a handshake that failed. */
  readonly refused = new Map<string, number>();
  /** Ended sessions by the code of their reason. */
  readonly ended = new Map<string, number>();

  countHeartbeat(direction: 'sent' | 'heard'): void {
    this.heartbeats[direction]++;
  }

  countRefused(code: string): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
  }

  countEnded(code: string): void {
    this.ended.set(code, (this.ended.get(code) ?? 0) + 1);
  }
}
