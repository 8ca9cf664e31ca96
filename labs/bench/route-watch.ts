/** Sees the routes of a namespace's kernel come and go, and when. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Namespace, Network } from '../../test/support/netns.ts';
import { poll } from '../scenario/poll.ts';
import { now } from './clock.ts';

interface Seen {
  readonly at: number;
  readonly there: boolean;
}

export class RouteWatch {
  private readonly seen = new Map<string, Seen>();

  /** What was there before is not seen. */
  constructor(network: Network, namespace: Namespace) {
    const child = spawn('ip', ['-n', namespace.name, '-4', 'monitor', 'route'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    network.adopt(child);
    createInterface({ input: child.stdout }).on('line', line => {
      const [, deleted, vip] = /^(Deleted )?(\d+\.\d+\.\d+\.\d+) /.exec(line) ?? [];
      if (vip !== undefined) this.seen.set(vip, { at: now(), there: deleted === undefined });
    });
  }

  /** When the last of these routes came (or went); waits for it. */
  async last(vips: readonly string[], there: boolean, timeout = 60_000): Promise<number> {
    const what = `${vips.length} routes ${there ? 'in' : 'gone from'} the far kernel (the first ${vips[0]})`;
    const reached = (vip: string): boolean => this.seen.get(vip)?.there === there;
    await poll(what, () => vips.every(reached), { timeout, interval: 10 });
    return Math.max(...vips.map(vip => this.seen.get(vip)!.at));
  }
}
