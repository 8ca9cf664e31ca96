/**
 * OSPF as a carrier: messages go out in opaque LSAs, each under an id that was not used before, and come in as LSAs of others.
 *
 * Why not one LSA that is replaced: ospfd changes an LSA no more often than each 5 s (MinLSInterval, RFC 2328 §B; of opaque LSAs no
 * command changes that), and neighbours take no new instance within 1 s (MinLSArrival). A new id is bound by neither: it was two hops
 * away in 1.1 ms with all timers as FRR has them.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Clock, Log, Net, OpenVty, Random } from '../host/ports.ts';
import { ApiClient } from './client.ts';
import { Database, type Flooded } from './database.ts';
import { type ApiMessage, MAX_AGE, OPAQUE_IDS } from './ospf-api.ts';

/** `notices.ospf` of the configuration. */
export interface FloodConfig {
  /** TCP port of ospfd's API server. */
  readonly port: number;
  /** 128…255 (RFC 5250 §9); the same in the whole mission. */
  readonly opaqueType: number;
  /** Directory of FRR's vty sockets. */
  readonly sockets: string;
}

export interface FloodOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  readonly log: Log;
  readonly openVty: OpenVty;
  readonly config: FloodConfig;
  /** Whether anything is to be flooded, too. */
  readonly speaks: boolean;
  readonly count: (name: string) => void;
  /** ospfd floods what is put from now on; what was put before is gone. */
  readonly onUp: () => void;
  readonly onDown: () => void;
  /** What keeps it from being up, for long; undefined = nothing any more. */
  readonly onProblem?: ((problem: string | undefined) => void) | undefined;
  /** Who speaks in a message; undefined: it is none that is to be kept. */
  readonly onMessage: (data: Uint8Array, router: Address) => string | undefined;
  /** OSPF has lost the way to a speaker's router, or found it again. */
  readonly onReach: (speaker: string, reachable: boolean) => void;
}

export class Flood {
  private readonly options: FloodOptions;
  private readonly client: ApiClient;
  private readonly database = new Database();
  private readonly used = new Set<number>();
  private next: number;

  constructor(options: FloodOptions) {
    const { config, speaks, random } = options;
    this.options = options;
    // Others may still have LSAs of a start before this one.
    this.next = Math.floor(random.uniform() * OPAQUE_IDS);
    this.client = new ApiClient({
      ...options,
      ...config,
      opaqueType: speaks ? config.opaqueType : undefined,
      onUp: () => {
        this.used.clear();
        options.onUp();
      },
      onDown: () => {
        this.database.clear();
        options.onDown();
      },
      onProblem: problem => options.onProblem?.(problem),
      onMessage: message => {
        if (message.type === 'reachable') this.reach(message);
        else if (message.type === 'update' || message.type === 'gone') this.hear(message);
      },
    });
  }

  /** Why nothing can be flooded or heard now; undefined = it can. */
  get problem(): string | undefined {
    return this.client.problem;
  }

  get up(): boolean {
    return this.client.up;
  }

  /** LSAs of others that are kept. */
  get size(): number {
    return this.database.size;
  }

  /** Floods a message; gives the id by which it is taken back, or replaced. */
  put(data: Uint8Array): number {
    do this.next = (this.next + 1) % OPAQUE_IDS;
    while (this.used.has(this.next));
    this.used.add(this.next);
    this.replace(this.next, data);
    return this.next;
  }

  /** Floods a message in place of another; within 5 s of that, it waits until these are over. */
  replace(id: number, data: Uint8Array): void {
    this.options.count('lsa-sent');
    this.client.originate(id, data);
  }

  /** Takes a message back. */
  remove(id: number): void {
    this.options.count('lsa-flushed');
    this.used.delete(id);
    this.client.remove(id);
  }

  /** What a speaker has in the database now. */
  saidBy(speaker: string): readonly Flooded[] {
    return this.database.saidBy(speaker);
  }

  /** Ends it; what was put is flushed. */
  close(): void {
    this.client.close();
  }

  private hear({ type, own, lsa }: Extract<ApiMessage, { type: 'update' | 'gone' }>): void {
    const { config, count, onMessage } = this.options;
    if (own || lsa.opaqueType !== config.opaqueType) return;
    // A flushed one stays in the database for a minute. That it went says nothing: nobody has signed that.
    if (type === 'gone' || lsa.age >= MAX_AGE) {
      this.database.remove(lsa);
      return;
    }
    count('lsa-heard');
    const speaker = onMessage(lsa.data, lsa.router);
    if (speaker !== undefined && !this.database.put(lsa, speaker)) count('limit-lsas');
  }

  private reach({ added, removed }: Extract<ApiMessage, { type: 'reachable' }>): void {
    for (const [routers, reachable] of [
      [removed, false],
      [added, true],
    ] as const)
      for (const router of routers)
        for (const speaker of this.database.speakersAt(router)) this.options.onReach(speaker, reachable);
  }
}
