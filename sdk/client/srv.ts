/**
 * Where DNS says that a service is (RFC 2782), for a client whom nobody answers by anycast ARP: names that a GSLB makes of registrations by
 * itself, H.323's by its Annex O.
 */
import type { Environment, ServiceRecord } from '../transport/environment.ts';
import type { ManagerId } from '../wire/model.ts';
import { Answer } from './answer.ts';
import type { Question } from './question.ts';

/** Call signalling and location (H.323 Annex O §O.9); other protocols have their own names. */
const H323: Readonly<Record<string, string>> = { tcp: 'h323cs', udp: 'h323ls' };
/** How long it is relied on, ms: the TTL of an answer that has just changed, for Node does not tell the record's own. */
const HOLDS = 2000;
/** Records, and addresses of each, that are tried. */
const MOST = 8;

/** `_h323cs._tcp.mcu.example.org`; undefined: the question has no name, or does not say of which protocol. */
export function srvName({ name, selector: { protocol, transport = 'tcp' } }: Question): string | undefined {
  const word = protocol === 'h323' ? H323[transport] : protocol;
  if (name === undefined || word === undefined || word.includes('.')) return undefined;
  return `_${word}._${transport}.${name}`;
}

/** By priority; of one priority at random by weight, those without weight seldom first (RFC 2782, Usage rules). */
export function inOrder(records: readonly ServiceRecord[], uniform: () => number): readonly ServiceRecord[] {
  const left = [...records].sort((one, other) => one.priority - other.priority || one.weight - other.weight);
  const ordered: ServiceRecord[] = [];
  while (left.length > 0) {
    const alike = left.filter(({ priority }) => priority === left[0]!.priority);
    const sum = alike.reduce((total, { weight }) => total + weight, 0);
    const point = uniform() * sum;
    let passed = 0;
    const chosen = alike.find(({ weight }) => {
      passed += weight;
      return passed >= point;
    })!;
    ordered.push(chosen);
    left.splice(left.indexOf(chosen), 1);
  }
  return ordered;
}

/** The service as DNS has it, as an answer whose servers are VIPs; undefined: it has none, or the question cannot be put to it. */
export async function answerOfDns(environment: Environment, question: Question): Promise<Answer | undefined> {
  const name = srvName(question);
  if (name === undefined || environment.services === undefined) return undefined;
  const { clock, random } = environment;
  const asked = clock.now();
  const records = await environment.services(name).catch(() => []);
  const found = await Promise.all(
    inOrder(records, () => random.uniform())
      .slice(0, MOST)
      .map(async ({ target, port, weight }) => {
        const addresses = await environment.resolve(target).catch(() => []);
        const { protocol = '', transport = 'tcp' } = question.selector;
        const score = Math.min(1000, Math.max(1, weight));
        const service = { name: target, protocol, transport, ports: [{ first: port, last: port }], score };
        return addresses.slice(0, MOST).map(address => ({ address, score, services: [service] }));
      }),
  );
  const servers = found.flat();
  if (servers.length === 0) return undefined;
  const now = clock.now();
  const vip = servers[0]!.address;
  return new Answer(clock, {
    ...{ servers, vip, from: vip, manager: '' as ManagerId, omitted: 0, signed: false },
    ...{ roundTrip: now - asked, expires: now + HOLDS },
  });
}
