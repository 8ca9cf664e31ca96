/**
 * What happened in a node, and when: lines of a program that stays, each with the kernel's own stamp. All nodes are on one machine, so
 * their stamps are of one clock: the wall clock, in milliseconds since 1970, with fractions.
 */
import type { LabNode } from '../runner/node.ts';
import type { Running } from '../runner/process.ts';
import { poll } from '../scenario/poll.ts';

/** Now, by the clock of the stamps. */
export const wallClock = (): number => performance.timeOrigin + performance.now();

export interface Happening {
  /** Wall clock, ms. */
  readonly at: number;
  readonly text: string;
}

/** How a program stamps its lines: what its first group matches is a stamp, the second the text. */
interface Form {
  readonly line: RegExp;
  readonly stamp: (text: string) => number;
}

/** `ip -tshort -oneline monitor`: local time with microseconds. */
const OF_IP: Form = {
  line: /^\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+)\] (.*)$/,
  stamp: text => Date.parse(text.slice(0, 19)) + Number(text.slice(19)) * 1000,
};
/** `tcpdump -tt`: seconds since 1970. */
const OF_TCPDUMP: Form = { line: /^(\d+\.\d+) (.*)$/, stamp: text => Number(text) * 1000 };

/** ip(8) stamps a line as it prints it: it must not wait for its turn behind what it watches. */
const AT_ONCE = ['nice', '-n', '-15'];

export class Monitor {
  readonly #running: Running;
  readonly #form: Form;
  #read = 0;
  readonly #happened: Happening[] = [];

  private constructor(running: Running, form: Form) {
    this.#running = running;
    this.#form = form;
  }

  /** Links, addresses or routes of a node's kernel, as they change. */
  static async ofKernel(
    node: LabNode,
    ...objects: readonly ('link' | 'address' | 'route')[]
  ): Promise<Monitor> {
    const running = node.spawn([...AT_ONCE, 'ip', '-tshort', '-oneline', 'monitor', ...objects]);
    // It says nothing when it is ready: it is, once its process sleeps on its socket.
    await poll(`ip monitor of ${node.name} listens`, () => running.sleeps());
    return new Monitor(running, OF_IP);
  }

  /** Packets on a link of a node, by a filter of pcap. */
  static async ofPackets(node: LabNode, link: string, filter: string): Promise<Monitor> {
    const words = [
      ...AT_ONCE,
      'tcpdump',
      '-i',
      link,
      '-n',
      '-l',
      '-tt',
      '--immediate-mode',
      '-s',
      '400',
      filter,
    ];
    const running = node.spawn(words);
    await poll(`tcpdump of ${node.name} listens`, () => running.stderr.includes('listening on'));
    return new Monitor(running, OF_TCPDUMP);
  }

  /** All of it so far, in order. */
  get happened(): readonly Happening[] {
    const lines = this.#running.stdout.split('\n');
    for (; this.#read < lines.length - 1; this.#read++) {
      const [, stamp, text] = this.#form.line.exec(lines[this.#read]!) ?? [];
      if (stamp !== undefined && text !== undefined)
        this.#happened.push({ at: this.#form.stamp(stamp), text });
    }
    return this.#happened;
  }

  /** The first since then whose text matches; undefined when there is none yet. */
  first(pattern: RegExp, since: number): Happening | undefined {
    return this.happened.find(({ at, text }) => at >= since && pattern.test(text));
  }

  /** The last within a time whose text matches; undefined when there is none. */
  last(pattern: RegExp, since: number, until: number): Happening | undefined {
    return this.happened.findLast(({ at, text }) => at >= since && at <= until && pattern.test(text));
  }

  /** Waits for the first since then. Throws when it does not come in time. */
  until(what: string, pattern: RegExp, since: number, timeout = 10_000): Promise<Happening> {
    return poll(what, () => this.first(pattern, since), { timeout, interval: 5 });
  }

  async stop(): Promise<void> {
    await this.#running.stop('SIGKILL');
  }
}
