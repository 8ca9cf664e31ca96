/**
 * Lines of a wide-area network in user space, for a kernel without netem: node line.mjs LINES, a list of `Line` as JSON. What an
 * interface at either end sends is led to a tap (nftables, `fwd` at the hook egress), held here for as long as the line would take, and put
 * on the wire with a mark that the hook lets through. It prints `ready`, then by how many
 * ms it was late at worst, each time that this is more, until it is killed; then the taps are gone, and `unhook` has to be done.
 *
 *     eth3 ──egress──▶ wan-eth3 (tap) ──▶ Pipe ──▶ packet socket ──▶ the other end of eth3
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync, writeSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import type { Shape } from '../topology/shape.ts';
import { calls, enterNetwork, openMarked, openTap, Poller } from './calls.ts';
import { hook, MARK, tapOf } from './hook.ts';
import { Pipe } from './pipe.ts';

export interface Line {
  /** Both ends: a process in the node, and the interface there. */
  readonly ends: readonly { readonly pid: number; readonly interface: string }[];
  readonly shape: Shape;
}

const LARGEST = 65_536;
/** ms by which frames may come too late without a word. */
const LATE = 20;
/** Frames that are taken from a tap before it is looked at what has arrived. */
const AT_ONCE = 64;

interface Way {
  readonly tap: number;
  readonly out: number;
  readonly pipe: Pipe;
}

function open({ ends, shape }: Line): Way[] {
  return ends.map(({ pid, interface: name }) => {
    enterNetwork(pid);
    const tap = openTap(tapOf(name));
    // The kernel itself has nothing to say on it.
    writeFileSync(`/proc/sys/net/ipv6/conf/${tapOf(name)}/disable_ipv6`, '1');
    run('ip', ['link', 'set', tapOf(name), 'up']);
    run('nft', ['-f', '-'], hook(name));
    return { tap, out: openMarked(name, MARK), pipe: new Pipe(shape) };
  });
}

function run(file: string, args: readonly string[], input = ''): void {
  const { status, stderr } = spawnSync(file, args, { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: ${stderr}`);
}

// A line that comes late because somebody else is busy would be a worse line than it is told to be.
setPriority(constants.priority.PRIORITY_HIGHEST);
const ways = (JSON.parse(process.argv[2] ?? '[]') as Line[]).flatMap(open);
const poller = new Poller(ways.map(({ tap }) => tap));
const room = Buffer.allocUnsafeSlow(LARGEST);
writeSync(1, 'ready\n');

let latest = LATE;
for (;;) {
  const next = Math.min(...ways.map(({ pipe }) => pipe.next));
  poller.wait(Math.max(0, next - performance.now()));
  if (performance.now() - next > latest) {
    latest = performance.now() - next;
    writeSync(1, `${Math.round(latest)}\n`);
  }
  for (const [index, { tap, out, pipe }] of ways.entries()) {
    for (let count = 0; poller.isReady(index) && count < AT_ONCE; count++) {
      const length = calls.read(tap, room, LARGEST);
      if (length <= 0) break;
      pipe.offer(Uint8Array.from(room.subarray(0, length)), performance.now());
    }
    for (const frame of pipe.arrived(performance.now())) calls.write(out, frame, frame.length);
  }
}
