/**
 * What goes through this appliance's links, from the kernel's counters (docs/protocol.md, Polls: Links and round trips). Averages weigh
 * by time, so that it does not matter how often the counters are looked at.
 */
import type { ToldLink } from '../../sdk/wire/poll-messages.ts';
import type { Clock, Files, Millis, Timer } from '../host/ports.ts';

/** A link that is told of. */
export interface WatchedLink {
  readonly interface: string;
  /** bit/s; 0 = as the kernel says, if it does. */
  readonly rate: number;
}

/** How often the counters are looked at. */
const LOOK: Millis = 5000;
/** Time constants of the averages. */
const FIVE_MINUTES: Millis = 300_000;
const USE: Millis = 30_000;

/** Where the kernel says how fast a link is, in Mbit/s; −1, or an error, where it does not know (sysfs-class-net). */
const speedOf = (name: string): string => `/sys/class/net/${name}/speed`;

interface Counted {
  readonly input: number;
  readonly output: number;
}

interface Averages {
  input: number;
  output: number;
  /** bit/s of the busier direction over 30 s. */
  busy: number;
}

/** Bytes received and sent by interface, from the text of /proc/net/dev (proc(5)). */
export function readCounters(text: string): ReadonlyMap<string, Counted> {
  const found = new Map<string, Counted>();
  for (const line of text.split('\n')) {
    const [, name, rest] = /^\s*([^\s:]+):\s*(.*)$/.exec(line) ?? [];
    const numbers = rest?.trim().split(/\s+/).map(Number);
    if (name === undefined || numbers === undefined || numbers.length < 9) continue;
    found.set(name, { input: numbers[0]!, output: numbers[8]! });
  }
  return found;
}

/** a ← a + (x − a) · (1 − e^(−t/T)). */
const follow = (average: number, sample: number, elapsed: Millis, constant: Millis): number =>
  average + (sample - average) * (1 - Math.exp(-elapsed / constant));

export class LinkRates {
  private readonly clock: Clock;
  private readonly files: Pick<Files, 'read'>;
  private readonly links: readonly WatchedLink[];
  private readonly averages = new Map<string, Averages>();
  private readonly speeds = new Map<string, number>();
  private last: { readonly at: Millis; readonly counted: ReadonlyMap<string, Counted> } | undefined;
  private timer: Timer | undefined;

  /** Begins to look. */
  constructor(clock: Clock, files: Pick<Files, 'read'>, links: readonly WatchedLink[]) {
    this.clock = clock;
    this.files = files;
    this.links = links;
    if (links.length > 0) this.look();
  }

  /** What a reply to a poll says; a link that is not there is left out. */
  told(): readonly ToldLink[] {
    return this.links.flatMap(({ interface: name, rate }) => {
      const averages = this.averages.get(name);
      if (averages === undefined) return [];
      const carries = rate > 0 ? rate : (this.speeds.get(name) ?? 0);
      const use = carries === 0 ? 0 : Math.min(1000, Math.round((1000 * averages.busy) / carries));
      return [
        { name, input: Math.round(averages.input), output: Math.round(averages.output), rate: carries, use },
      ];
    });
  }

  /** bit/s of the one that carries least, of those that are there; 0 = not known. */
  get thinnest(): number {
    const known = this.told().flatMap(({ rate }) => (rate > 0 ? [rate] : []));
    return known.length === 0 ? 0 : Math.min(...known);
  }

  close(): void {
    this.timer?.cancel();
  }

  private look(): void {
    const at = this.clock.now();
    const counted = readCounters(this.files.read('/proc/net/dev') ?? '');
    for (const { interface: name, rate } of this.links) {
      this.take(name, counted.get(name), at);
      if (rate === 0 && counted.has(name)) this.speeds.set(name, this.speed(name));
    }
    this.last = { at, counted };
    this.timer = this.clock.after('link-rates', LOOK, () => this.look());
  }

  private speed(name: string): number {
    try {
      return Math.max(0, Number.parseInt(this.files.read(speedOf(name)) ?? '', 10) || 0) * 1e6;
    } catch {
      // A link that is down, or is none of wires, has none.
      return 0;
    }
  }

  private take(name: string, now: Counted | undefined, at: Millis): void {
    const before = this.last?.counted.get(name);
    const elapsed = at - (this.last?.at ?? at);
    if (now === undefined) {
      this.averages.delete(name);
      return;
    }
    // Counters that fell are those of another interface of the same name.
    if (before === undefined || elapsed <= 0 || now.input < before.input || now.output < before.output)
      return;
    const input = ((now.input - before.input) * 8000) / elapsed;
    const output = ((now.output - before.output) * 8000) / elapsed;
    const old = this.averages.get(name);
    this.averages.set(name, {
      input: old === undefined ? input : follow(old.input, input, elapsed, FIVE_MINUTES),
      output: old === undefined ? output : follow(old.output, output, elapsed, FIVE_MINUTES),
      busy: follow(old?.busy ?? Math.max(input, output), Math.max(input, output), elapsed, USE),
    });
  }
}
