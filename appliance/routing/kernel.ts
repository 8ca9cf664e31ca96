/**
 * The VIPs in the kernel: what is there, and changes to it. Nothing is started for a change; the kernel's tables are listed only at
 * the start and after something was refused.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Clock, Exec } from '../host/ports.ts';
import type { RouteKind } from './config.ts';
import { createIpBatch } from './ip-batch.ts';
import { linesOf, listings, readListings } from './kernel-form.ts';
import { type Carried, carry, type Step } from './plan.ts';
import { encodeSteps, type RouteSocket } from './route-batch.ts';

/** A listing of 100,000 routes is about 10 MB. */
const LISTING_LIMIT = 64 * 1024 * 1024;

/**
 * Messages that may go to the kernel at once, and how many more each ms. FRR hears of each, at some fifty a ms; its socket's buffer takes
 * thousands, and what comes when it is full is lost to it. Beyond this ip(8) does it, which is no quicker than FRR itself.
 */
const BURST = 3000;
const PER_MS = 25;

/**
 * VIPs that go to the kernel on another thread, since it takes milliseconds over them. In a crowd, when the last were so many ms ago, what
 * comes does so while the next farms are planned; but that a few hundred are out is known sooner than a thread is heard of, behind all that
 * has come meanwhile.
 */
const MANY = { crowded: 50, others: 500 } as const;
const CROWD = 50;

export interface KernelVips {
  /** What the kernel carries of ours, in the wanted kind; undefined when that is not known for sure. */
  readonly known: Carried | undefined;
  /** The same; reads it when it is not known. */
  carried(): Promise<Carried>;
  /** Takes the steps. Gives those that the kernel refused, with its words; then the rest is done all the same. */
  take(steps: readonly Step[]): Promise<ReadonlyMap<Step, string>>;
  /** Reads the kernel again; gives the VIPs that somebody else took out meanwhile. */
  audit(): Promise<readonly Address[]>;
  close(): void;
}

/** `socket`: absent = ip(8) does it all. */
export function createKernelVips(
  kind: RouteKind,
  exec: Exec,
  clock: Clock,
  socket: RouteSocket | undefined,
): KernelVips {
  const batch = createIpBatch(exec);
  let known: Map<Address, number> | undefined;
  let credit = BURST;
  let creditAt = clock.now();
  let sentAt = Number.NEGATIVE_INFINITY;

  /** Takes the steps in one send. False where it takes ip(8), or to hear from it what the kernel would not do. */
  const sendAll = async (steps: readonly Step[]): Promise<boolean> => {
    const messages = socket && encodeSteps(kind, steps);
    if (socket === undefined || messages === undefined) return false;
    const now = clock.now();
    credit = Math.min(BURST, credit + (now - creditAt) * PER_MS);
    creditAt = now;
    if (messages.count > credit) return false;
    credit -= messages.count;
    const isCrowded = now - sentAt < CROWD && steps.every(({ type }) => type !== 'remove');
    const onThread = steps.length >= (isCrowded ? MANY.crowded : MANY.others);
    sentAt = now;
    return (await socket.batch(messages.bytes, messages.last, onThread)) === '';
  };

  /** Lists; takes out what an earlier run left half done, or in the other kind. */
  const read = async (): Promise<Map<Address, number>> => {
    const other: RouteKind = kind === 'internal' ? 'external' : 'internal';
    const [now, before] = await Promise.all([list(exec, kind), list(exec, other)]);
    const removals = [
      ...now.broken.flatMap(vip => linesOf(kind, { type: 'remove', vip, step: 0 })),
      ...[...before.carried.keys(), ...before.broken].flatMap(vip =>
        linesOf(other, { type: 'remove', vip, step: 0 }),
      ),
    ];
    // Of a half that is there the other half cannot be removed: that refusal says nothing.
    await batch.run(removals);
    return now.carried;
  };

  return {
    get known() {
      return known;
    },
    async carried() {
      known ??= await read();
      return known;
    },
    async take(steps) {
      // No turn is lost when it is known: a route that is to go goes before the caller does anything else.
      if (known === undefined) known = await read();
      if (await sendAll(steps)) {
        for (const step of steps) carry(known, step);
        return new Map();
      }
      const lines: string[] = [];
      const stepOfLine: Step[] = [];
      for (const step of steps)
        for (const line of linesOf(kind, step)) {
          lines.push(line);
          stepOfLine.push(step);
        }
      const refused = new Map<Step, string>();
      try {
        for (const { index, reason } of await batch.run(lines))
          refused.set(stepOfLine[index]!, `'ip ${lines[index]}': ${reason}`);
      } catch (error) {
        known = undefined;
        throw error;
      }
      if (refused.size > 0) known = undefined;
      else for (const step of steps) carry(known, step);
      return refused;
    },
    async audit() {
      const before = known;
      const now = await read();
      known = now;
      return [...(before?.keys() ?? [])].filter(vip => !now.has(vip));
    },
    close() {
      batch.close();
      socket?.close();
    },
  };
}

async function list(exec: Exec, kind: RouteKind): Promise<ReturnType<typeof readListings>> {
  return readListings(kind, await Promise.all(listings(kind).map(args => output(exec, args))));
}

/** The whole stdout of ip(8): Exec.run would cut it. */
const output = (exec: Exec, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    exec
      .start(
        'ip',
        args,
        (text, stream) => {
          if (stream === 'stderr') stderr += text;
          else if (stdout.length < LISTING_LIMIT) stdout += text;
        },
        status => {
          // A table that was never written to: there is nothing in it.
          if (status === 0 || stderr.includes('FIB table does not exist')) resolve(stdout);
          else reject(new Error(`'ip ${args.join(' ')}' failed (${status}): ${stderr.trim()}`));
        },
      )
      .close();
  });
