/** What comes back for what is sent, from a source that has proved nothing (roles/amplify.ts), as a figure. Pure. */
import { type Figure, sample } from './figure.ts';
import type { Amplified } from './roles/amplify.ts';

/** Bytes of the headers of IPv4 and UDP, which both sides spend. */
const HEADERS = 28;
const GOAL = 2;

/** Bytes on the wire that came for each that went. */
export const onWire = ({ in: sent, out, datagrams }: Amplified): number =>
  (out + datagrams * HEADERS) / (sent + HEADERS);
const inside = ({ in: sent, out }: Amplified): number => out / sent;

/** The worst kinds of query, of all that were asked of each server. The first is ours. */
export function amplificationFigure(
  servers: readonly { readonly name: string; readonly asked: readonly Amplified[] }[],
): Figure {
  const [ours, ...others] = servers;
  const all = ours!.asked.map(onWire);
  const [worst] = [...ours!.asked].sort((one, other) => onWire(other) - onWire(one));
  const most = Math.max(...all);
  const beside = (name: string, ratios: readonly number[]) => ({ name, sample: sample(ratios) });
  return {
    name: `bytes out for bytes in, from an unproven source, ${all.length} kinds of query; the most for ${worst!.kind}`,
    unit: '×',
    ours: sample(all),
    beside: [
      beside('ours, without the headers of IP and UDP', ours!.asked.map(inside)),
      ...others.map(({ name, asked }) => beside(name, asked.map(onWire))),
    ],
    goal: 'always under 2',
    met: most < GOAL,
  };
}
