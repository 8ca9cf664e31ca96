/**
 * A connection to ospfd's API server that is kept: opened when there is an OSPF to speak of, opened again when ospfd restarts.
 */
import type { Clock, Log, Millis, Net, OpenVty, Timer } from '../host/ports.ts';
import {
  type ApiMessage,
  encodeDelete,
  encodeEvents,
  encodeOriginate,
  encodeRegister,
  encodeSyncLsdb,
  encodeSyncReachable,
} from './ospf-api.ts';
import { Session } from './session.ts';

const FIRST_RETRY: Millis = 250;
const LAST_RETRY: Millis = 10_000;
/** At a start OSPF is still being set up: that is no problem yet. */
const TRIES = 4;

export interface ApiClientOptions {
  readonly clock: Clock;
  readonly net: Net;
  readonly log: Log;
  readonly openVty: OpenVty;
  /** Directory of FRR's vty sockets. */
  readonly sockets: string;
  /** TCP port of the API server. */
  readonly port: number;
  /** The opaque type that is claimed; absent: nothing is flooded, all is heard. */
  readonly opaqueType: number | undefined;
  /** Connected, registered, and told of what there is. */
  readonly onUp: () => void;
  readonly onDown: () => void;
  /** What keeps it down, once that has lasted for some tries; undefined = nothing any more. */
  readonly onProblem: (problem: string | undefined) => void;
  /** An LSA, or which routers can be reached. */
  readonly onMessage: (message: ApiMessage) => void;
}

export class ApiClient {
  private readonly options: ApiClientOptions;
  private session: Session | undefined;
  private retry: Timer | undefined;
  private failures = 0;
  private closed = false;
  /** Why it is not up; undefined = it is. */
  problem: string | undefined = 'not reached yet';

  constructor(options: ApiClientOptions) {
    this.options = options;
    void this.attempt();
  }

  get up(): boolean {
    return this.problem === undefined;
  }

  /** Floods data under an id; nothing happens while it is not up. */
  originate(id: number, data: Uint8Array): void {
    const { opaqueType } = this.options;
    if (opaqueType === undefined || !this.up) return;
    this.send(sequence => encodeOriginate(sequence, { opaqueType, id, data }));
  }

  /** Takes an id's LSA back. */
  remove(id: number): void {
    const { opaqueType } = this.options;
    if (opaqueType === undefined || !this.up) return;
    this.send(sequence => encodeDelete(sequence, opaqueType, id));
  }

  /** Ends the connection: ospfd flushes all that was flooded. */
  close(): void {
    this.closed = true;
    this.retry?.cancel();
    this.session?.end();
    this.session = undefined;
    this.problem = 'closed';
  }

  /** What is refused is logged where it is read. */
  private send(encode: (sequence: number) => Uint8Array): void {
    this.session?.request(encode).catch(() => {});
  }

  private async attempt(): Promise<void> {
    const { log, opaqueType } = this.options;
    try {
      await this.readiness();
      if (this.closed) return;
      const session = new Session(this.options, reason => this.lost(session, reason));
      this.session = session;
      await session.open();
      await Promise.all([
        session.request(encodeEvents),
        ...(opaqueType === undefined
          ? []
          : [session.request(sequence => encodeRegister(sequence, opaqueType))]),
        session.request(encodeSyncReachable),
        session.request(encodeSyncLsdb),
      ]);
      if (this.closed || this.session !== session) return;
      this.problem = undefined;
      this.failures = 0;
      log('info', 'ospf-api-ready', { opaqueType });
      this.options.onProblem(undefined);
      this.options.onUp();
    } catch (error) {
      this.again((error as Error).message);
    }
  }

  /** ospfd 8.4 ends itself when it is asked anything before it has a `router ospf`: so its vty is asked first. */
  private async readiness(): Promise<void> {
    const vty = await this.options.openVty(`${this.options.sockets}/ospfd.vty`, () => {});
    try {
      const { text } = await vty.command('show ip ospf');
      if (!text.includes('Router ID')) throw new Error('ospfd has no `router ospf` yet');
      if (/OpaqueCapability flag is disabled/i.test(text))
        throw new Error('opaque LSAs are off: `router ospf` lacks `capability opaque`');
    } finally {
      vty.close();
    }
  }

  private lost(session: Session, reason: string): void {
    if (this.session !== session) return;
    this.session = undefined;
    const was = this.up;
    this.again(reason);
    if (was) this.options.onDown();
  }

  private again(reason: string): void {
    if (this.closed) return;
    this.session?.end();
    this.session = undefined;
    if (reason !== this.problem)
      this.options.log('warning', 'ospf-api-unreachable', {
        sentence: `notices do not go by OSPF: ${reason}`,
      });
    this.problem = reason;
    if (this.failures >= TRIES) this.options.onProblem(`notices do not go by OSPF: ${reason}`);
    this.retry?.cancel();
    const delay = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(this.failures++, 16));
    this.retry = this.options.clock.after('ospf-api', delay, () => void this.attempt());
  }
}
