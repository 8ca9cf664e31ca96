/**
 * How this host behaves on the link while a VIP is on its loopback (direct mode): it answers ARP only for addresses of the
 * interface that was asked on, and never speaks from the VIP. Otherwise it would draw the VIP's traffic past the appliance.
 * Linux, ip-sysctl: the greater of conf/all and conf/<interface> counts. IPv6 needs nothing: neighbour discovery answers for
 * an interface's own addresses only.
 */
import type { Exec, Files, Log } from '../host/ports.ts';
import type { Ledger } from './ledger.ts';

const ALL = '/proc/sys/net/ipv4/conf/all';

/** Parameter → the least that is needed. A host that is set to more is left as it is. */
const NEEDED: Readonly<Record<string, number>> = {
  [`${ALL}/arp_ignore`]: 1,
  [`${ALL}/arp_announce`]: 2,
};

export class ArpBehaviour {
  private readonly files: Files;
  private readonly exec: Exec;
  private readonly ledger: Ledger;
  private readonly log: Log;

  constructor(files: Files, exec: Exec, ledger: Ledger, log: Log) {
    this.files = files;
    this.exec = exec;
    this.ledger = ledger;
    this.log = log;
  }

  /** Idempotent. Rejects if a parameter cannot be set: then no VIP should be installed. */
  async apply(): Promise<void> {
    for (const [path, least] of Object.entries(NEEDED)) {
      const now = this.files.read(path)?.trim();
      if (now === undefined) throw new Error(`${path} is not there: is this Linux with IPv4?`);
      if (Number(now) >= least) continue;
      const { parameters } = this.ledger.changes;
      if (parameters[path] === undefined)
        this.ledger.note({ ...this.ledger.changes, parameters: { ...parameters, [path]: now } });
      await this.set(path, String(least));
      this.log('info', 'parameter-set', { path, before: now, now: least });
    }
  }

  /** Puts back what was before, unless somebody else has changed it since. Never rejects: it logs. */
  async restore(): Promise<void> {
    for (const [path, before] of Object.entries(this.ledger.changes.parameters)) {
      const now = this.files.read(path)?.trim();
      try {
        if (now === String(NEEDED[path])) await this.set(path, before);
        const { [path]: _done, ...rest } = this.ledger.changes.parameters;
        this.ledger.note({ ...this.ledger.changes, parameters: rest });
      } catch (error) {
        this.log('error', 'parameter-not-restored', { path, before, error: (error as Error).message });
      }
    }
  }

  /** By `tee`: files of /proc cannot be replaced, only written to. */
  private async set(path: string, value: string): Promise<void> {
    const { status, stderr } = await this.exec.run('tee', [path], { input: value, timeout: 5000 });
    if (status !== 0) throw new Error(`${path} cannot be set to ${value}: ${stderr.trim()}`);
  }
}
