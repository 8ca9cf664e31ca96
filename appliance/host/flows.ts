/** The kernel's balanced flows: conntrack and the remembered ones by netlink, probes by a raw socket. */
import { addressBytes } from '../../sdk/wire/address.ts';
import type { Flows } from '../dataplane/cut.ts';
import {
  type Flow,
  forgetTracked,
  listRemembered,
  listTracked,
  readRemembered,
  readTracked,
} from '../dataplane/flow.ts';
import { PROBE_MARK, SETTLED, TABLE } from '../dataplane/layout.ts';
import { synTo } from '../dataplane/syn.ts';
import { openMarkedSender, openNetlink } from './netlink.ts';

export const NETLINK_NETFILTER = 12;
/** With more marks than this, one listing of everything is cheaper than one by the kernel for each. */
const FEW = 8;
/** Probes sent before the event loop gets its turn. */
const PROBES = 256;

/** Opens the sockets, in the network namespace of the caller. Throws when one cannot be. */
export function openFlows(): Flows {
  const netlink = openNetlink(NETLINK_NETFILTER, true);
  const sender = openMarkedSender(PROBE_MARK);
  const [, table = ''] = TABLE.split(' ');

  const list = async (request: Uint8Array, read: (payload: Uint8Array) => void): Promise<void> =>
    netlink.request(request, (_, payload) => read(payload));

  return {
    async tracked(marks) {
      const found: Flow[] = [];
      const read = (payload: Uint8Array): void => {
        const flow = readTracked(payload);
        if (flow && (marks === undefined || marks.has(flow.mark))) found.push(flow);
      };
      if (marks !== undefined && marks.size <= FEW)
        for (const mark of marks) await list(listTracked(mark), read);
      else await list(listTracked(), read);
      return found;
    },
    forget: mark => netlink.request(forgetTracked(mark)),
    async remembered(marks) {
      const found: Flow[] = [];
      await list(listRemembered(table, 'tcp4'), payload => {
        for (const flow of readRemembered(payload, 'tcp', SETTLED))
          if (marks === undefined || marks.has(flow.mark)) found.push(flow);
      });
      return found;
    },
    async probe(flows) {
      for (let at = 0; at < flows.length; at += PROBES) {
        for (const flow of flows.slice(at, at + PROBES)) sender.send(synTo(flow), addressBytes(flow.client));
        await new Promise(resolve => setImmediate(resolve));
      }
    },
    close() {
      netlink.close();
      sender.close();
    },
  };
}
