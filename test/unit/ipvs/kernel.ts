/**
 * IPVS as the driver meets it: it takes the driver's own messages apart, refuses what the kernel refuses, and tells what it holds.
 */
import { attribute, attributes, message } from '../../../appliance/dataplane/attributes.ts';
import type { Nft, NftResult } from '../../../appliance/dataplane/nft.ts';
import type { IpvsSocket } from '../../../appliance/ipvs/socket.ts';
import { KERNEL_TIMEOUTS, readTimeouts, setTimeouts } from '../../../appliance/ipvs/timeouts.ts';

const [ENOENT, ESRCH, EEXIST] = [2, 3, 17];
export const FAMILY = 40;

/** A service or destination: what it is known by, and its attributes as they came. */
interface Held {
  readonly body: Map<number, Uint8Array>;
  readonly destinations: Map<string, Map<number, Uint8Array>>;
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
const idOf = (body: ReadonlyMap<number, Uint8Array>): string =>
  `${hex(body.get(2))} ${hex(body.get(3))} ${hex(body.get(4))}`;
const destinationIdOf = (body: ReadonlyMap<number, Uint8Array>): string =>
  `${hex(body.get(1))} ${hex(body.get(2))}`;
const nested = (body: ReadonlyMap<number, Uint8Array>): Uint8Array[] =>
  [...body].map(([type, value]) => attribute(type, value));

export class FakeIpvs implements IpvsSocket {
  readonly services = new Map<string, Held>();
  /** Commands that were carried out, in order. */
  readonly commands: number[] = [];
  /** Errors to give to the next requests of a command. */
  readonly refuse = new Map<number, number>();
  timeouts = KERNEL_TIMEOUTS;
  closed = false;

  async send(requests: readonly Uint8Array[]): Promise<readonly number[]> {
    return requests.map(request => this.take(request));
  }

  async request(request: Uint8Array, onMessage?: (type: number, payload: Uint8Array) => void): Promise<void> {
    const command = request[16]!;
    const answer = (list: Uint8Array[]): void =>
      onMessage?.(FAMILY, message(FAMILY, 0, Uint8Array.of(command, 1, 0, 0), list).subarray(16));
    if (command === 13) onMessage?.(FAMILY, setTimeouts(FAMILY, this.timeouts).subarray(16));
    if (command === 4) for (const { body } of this.services.values()) answer([attribute(1, nested(body))]);
    if (command !== 8) return;
    const service = this.services.get(idOf(attributes(attributes(request.subarray(20)).get(1)!)));
    for (const body of service?.destinations.values() ?? []) answer([attribute(2, nested(body))]);
  }

  close(): void {
    this.closed = true;
  }

  private take(request: Uint8Array): number {
    const command = request[16]!;
    const error = this.refuse.get(command);
    if (error !== undefined) return error;
    if (command === 12) {
      this.timeouts = readTimeouts(request.subarray(16)) ?? KERNEL_TIMEOUTS;
      return 0;
    }
    const list = attributes(request.subarray(20));
    const body = new Map(attributes(list.get(1)!));
    const id = idOf(body);
    const held = this.services.get(id);
    if (command === 1 && held !== undefined) return EEXIST;
    if (command !== 1 && held === undefined) return ESRCH;
    if (command === 1) this.services.set(id, { body, destinations: new Map() });
    if (command === 2) this.services.set(id, { body, destinations: held!.destinations });
    if (command === 3) this.services.delete(id);
    if (command >= 5) {
      const destination = new Map(attributes(list.get(2)!));
      const name = destinationIdOf(destination);
      const there = held!.destinations.has(name);
      if (command === 5 && there) return EEXIST;
      if (command !== 5 && !there) return ENOENT;
      if (command === 7) held!.destinations.delete(name);
      else held!.destinations.set(name, destination);
    }
    this.commands.push(command);
    return 0;
  }
}

/** Local routes, as rtnetlink's messages make them. */
export class FakeRoutes implements IpvsSocket {
  /** Destinations in hex. */
  readonly routes = new Map<string, Uint8Array>();
  closed = false;

  async send(requests: readonly Uint8Array[]): Promise<readonly number[]> {
    return requests.map(request => {
      const key = hex(attributes(request.subarray(28)).get(1));
      const adds = request[4] === 24;
      if (!adds && !this.routes.has(key)) return ESRCH;
      if (adds) this.routes.set(key, request.subarray(16));
      else this.routes.delete(key);
      return 0;
    });
  }

  async request(request: Uint8Array, onMessage?: (type: number, payload: Uint8Array) => void): Promise<void> {
    for (const route of this.routes.values()) if (route[0] === request[16]) onMessage?.(24, route);
  }

  close(): void {
    this.closed = true;
  }
}

/** The driver's table of nf_tables, by what is listed there: it takes the driver's own text apart. */
export class FakeNft implements Nft {
  /** `10.50.0.1 . tcp . 80`; undefined when there is no table. */
  listed: Set<string> | undefined;
  /** Texts that were carried out. */
  runs = 0;
  error = '';
  closed = false;

  async run(text: string): Promise<NftResult> {
    if (this.error !== '') return { ok: false, output: '', error: this.error };
    this.runs++;
    for (const line of text.split('\n')) {
      if (line.startsWith('delete table')) this.listed = undefined;
      if (line.startsWith('table')) this.listed = new Set();
      const [, verb, inside = ''] = /^(add|delete) element .*\{ (.*) \}$/.exec(line) ?? [];
      for (const each of verb === undefined ? [] : inside.split(', '))
        if (verb === 'add') this.listed!.add(each);
        else if (!this.listed!.delete(each)) throw new Error(`${each} is not there`);
    }
    return { ok: true, output: '', error: '' };
  }

  async json(): Promise<undefined> {
    return undefined;
  }

  close(): void {
    this.closed = true;
  }
}
