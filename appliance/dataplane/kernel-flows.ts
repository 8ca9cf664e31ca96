/** The kernel's balanced flows: conntrack and the remembered ones by netlink, probes by a raw socket. */
import { addressBytes } from '../../sdk/wire/address.ts';
import type { Flows } from './cut.ts';
import {
  type Flow,
  forgetTracked,
  listRemembered,
  listTracked,
  markOf,
  readRemembered,
  readTracked,
} from './flow.ts';
import { SETTLED, TABLE } from './layout.ts';
import { synTo } from './syn.ts';

/** With more marks than this, one listing of everything is cheaper than one by the kernel for each. */
const FEW = 8;

/** A netlink socket of netfilter, as the host gives it. */
export interface FlowSocket {
  request(message: Uint8Array, onMessage?: (type: number, payload: Uint8Array) => void): Promise<void>;
  close(): void;
}

/** A raw IP socket whose packets carry PROBE_MARK. */
export interface ProbeSocket {
  /** Sends packets with their own IP header, each to its address; the event loop runs in between. */
  send(packets: readonly { readonly packet: Uint8Array; readonly to: Uint8Array }[]): Promise<void>;
  close(): void;
}

export function createFlows(netlink: FlowSocket, sender: ProbeSocket): Flows {
  const [, table = ''] = TABLE.split(' ');

  const list = async (request: Uint8Array, read: (payload: Uint8Array) => void): Promise<void> =>
    netlink.request(request, (_, payload) => read(payload));
  /** Those of the marks that conntrack has. */
  const present = async (marks: ReadonlySet<number>): Promise<ReadonlySet<number>> => {
    const found = new Set<number>();
    await list(listTracked(), payload => {
      const mark = markOf(payload);
      if (mark !== undefined && marks.has(mark)) found.add(mark);
    });
    return found;
  };

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
    async forget(marks) {
      // The kernel goes through its whole table for each mark: of a crowd only those that it really has are worth that.
      const there = marks.size <= FEW ? marks : await present(marks);
      for (const mark of there) await netlink.request(forgetTracked(mark));
    },
    async remembered(marks) {
      const found: Flow[] = [];
      await list(listRemembered(table, 'tcp4'), payload => {
        for (const flow of readRemembered(payload, 'tcp', SETTLED))
          if (marks === undefined || marks.has(flow.mark)) found.push(flow);
      });
      return found;
    },
    probe: flows => sender.send(flows.map(flow => ({ packet: synTo(flow), to: addressBytes(flow.client) }))),
    close() {
      netlink.close();
      sender.close();
    },
  };
}
