/**
 * Which server a client is sent to: the one with the best score, and among those that are as good as equal a random one, by weight. Pure.
 */
import type { Farm, Member, WantedDirectory } from '../desired/wanted.ts';

/**
 * Scores so close are equal: servers report their load each second or so, and until then each client would be sent to the same one.
 */
const EQUAL = 50;

/** The member to send a client to, `draw` uniform in [0, 1); undefined when none takes anybody. */
export function choose(farm: Farm, { byVip }: WantedDirectory, draw: number): Member | undefined {
  const open = farm.members.filter(member => member.accepts);
  if (open.length < 2) return open[0];
  const scores = new Map<string, number>();
  for (const { address, services } of byVip.get(farm.vip) ?? []) {
    for (const { transport, ports, score } of services) {
      if (transport !== farm.transport) continue;
      for (const { first } of ports) scores.set(`${address}|${first}`, score);
    }
  }
  const scoreOf = (member: Member): number => scores.get(`${member.address}|${portOf(farm, member)}`) ?? 0;
  const best = Math.max(...open.map(scoreOf));
  const equals = open.filter(member => scoreOf(member) >= best - EQUAL);
  let left = draw * equals.reduce((sum, member) => sum + member.weight, 0);
  for (const member of equals) {
    left -= member.weight;
    if (left < 0) return member;
  }
  return equals.at(-1);
}

/** Where the member serves. */
export const portOf = (farm: Farm, { port }: Pick<Member, 'port'>): number => port || farm.ports.first;
