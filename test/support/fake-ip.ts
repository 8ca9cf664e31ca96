/**
 * ip(8) as the routing driver uses it, over a kernel in memory that refuses what Linux refuses.
 */
import type { Coprocess, Exec } from '../../appliance/host/ports.ts';

type Table = 'main' | 'local' | 'address';

export class FakeIp implements Exec {
  /** `table prefix` → the words behind. Foreign entries have no `98` in them. */
  readonly entries = new Map<string, string>();
  /** Lines of batches, in order. */
  readonly lines: string[] = [];
  /** Ends the batch process instead of answering, that many times. */
  deaths = 0;
  /** Batch processes started. */
  started = 0;

  run(): ReturnType<Exec['run']> {
    return Promise.resolve({ status: 0, stdout: '[]', stderr: '' });
  }

  start(...[, args, onOutput, onExit]: Parameters<Exec['start']>): Coprocess {
    if (args.includes('-batch')) return this.batch(onOutput, onExit);
    queueMicrotask(() => {
      onOutput(this.list(args), 'stdout');
      onExit(0);
    });
    return { write: () => {}, close: () => {} };
  }

  /** What somebody else does to the kernel. */
  steal(vip: string): void {
    for (const key of [...this.entries.keys()]) if (key.includes(` ${vip}/`)) this.entries.delete(key);
  }

  /** The VIPs that are wholly there: route and local, or address. */
  get vips(): readonly string[] {
    const in_ = (table: Table): readonly string[] =>
      [...this.entries]
        .filter(([key, words]) => key.startsWith(`${table} `) && words.includes('98'))
        .map(([key]) => key.split(' ')[1]!.split('/')[0]!);
    const local = in_('local');
    return [...in_('address'), ...in_('main').filter(vip => local.includes(vip))].sort();
  }

  private batch(onOutput: Parameters<Exec['start']>[2], onExit: (status: number) => void): Coprocess {
    this.started++;
    let number = 0;
    let alive = true;
    return {
      write: text =>
        queueMicrotask(() => {
          for (const line of text.trimEnd().split('\n')) {
            if (!alive) return;
            if (this.deaths > 0 && number > 0) {
              this.deaths--;
              alive = false;
              onExit(-1);
              return;
            }
            number++;
            const refusal = this.take(line);
            if (refusal !== undefined) onOutput(`${refusal}\nCommand failed -:${number}\n`, 'stderr');
          }
        }),
      close: () => {
        alive = false;
      },
    };
  }

  private take(line: string): string | undefined {
    const words = line.split(' ');
    const [object, verb] = words;
    if (object !== 'route' && object !== 'address') return `Object "${object}" is unknown, try "ip help".`;
    this.lines.push(line);
    const local = words[2] === 'local';
    const prefix = words[local ? 3 : 2]!;
    const table: Table = object === 'address' ? 'address' : local ? 'local' : 'main';
    const key = `${table} ${prefix}`;
    const there = this.entries.get(key);
    switch (verb) {
      case 'add':
        if (there !== undefined) return 'RTNETLINK answers: File exists';
        // An address brings a local route of its own.
        if (table === 'local' && this.entries.has(`address ${prefix}`))
          return 'RTNETLINK answers: File exists';
        this.entries.set(key, line);
        return undefined;
      case 'replace':
        this.entries.set(key, line);
        return undefined;
      case 'delete':
        if (there === undefined || (table !== 'address' && !there.includes('98')))
          return 'RTNETLINK answers: No such process';
        this.entries.delete(key);
        return undefined;
      default:
        return `Command "${verb}" is unknown`;
    }
  }

  private list(args: readonly string[]): string {
    const rows = (table: Table): readonly (readonly [string, string])[] =>
      [...this.entries].flatMap(([key, words]) => {
        const [where, prefix] = key.split(' ') as [Table, string];
        return where === table ? [[prefix.split('/')[0]!, words] as const] : [];
      });
    if (args.includes('address')) {
      const addresses = rows('address').map(([local, words]) => ({
        family: local.includes(':') ? 'inet6' : 'inet',
        local,
        prefixlen: local.includes(':') ? 128 : 32,
        ...(words.includes('metric 98') ? { metric: 98 } : {}),
      }));
      return JSON.stringify([{ ifname: 'lo', addr_info: addresses }]);
    }
    const family = args.includes('-6') ? ':' : '.';
    return JSON.stringify(
      rows(args.includes('local') ? 'local' : 'main')
        .filter(([dst, words]) => dst.includes(family) && words.includes('proto 98'))
        .map(([dst, words]) => ({ dst, dev: 'lo', gateway: /via (\S+)/.exec(words)?.[1] })),
    );
  }
}
