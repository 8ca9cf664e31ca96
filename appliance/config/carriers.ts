/** Whether there is any way to tell others, and to hear them. */
import type { Config } from './config.ts';

/** True where the configuration names a carrier of notices. */
export const hasCarrier = ({ interfaces, peers, ospf }: Config['notices']): boolean =>
  interfaces.length + peers.length > 0 || ospf !== undefined;
