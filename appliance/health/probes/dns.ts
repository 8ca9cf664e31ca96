/**
 * `dns`: asked over UDP for the address (A) of a name, the server answers NOERROR with at least one record.
 */
import type { Net, Random } from '../../host/ports.ts';
import { decodeDnsAnswer, encodeDnsQuery } from '../codec/dns.ts';
import { askByDatagram } from '../exchange.ts';
import { failed, labelOf, type Probe, type ProbeResult, passed, printable } from '../probe.ts';

export const dnsProbe =
  (net: Net, random: Random): Probe =>
  (target, attempt) => {
    const name = target.check.target || target.service.name;
    const label = `${labelOf(target)} for ${printable(name)}`;
    const [high, low] = random.bytes(2);
    const query = encodeDnsQuery((high! << 8) | low!, name);
    if (query === undefined)
      return Promise.resolve(failed('check-invalid', `${label}: this is not a domain name`));
    return askByDatagram(net, target, attempt, {
      ask: () => query,
      hear: bytes => judgeAnswer(label, query, bytes),
    });
  };

function judgeAnswer(label: string, query: Uint8Array, bytes: Uint8Array): ProbeResult | string {
  const answer = decodeDnsAnswer(query, bytes);
  if (answer.kind === 'foreign') return answer.why;
  if (answer.kind === 'malformed') return failed('check-malformed', `${label} answered badly: ${answer.why}`);
  if (answer.rcode !== 'NOERROR') return failed('check-status', `${label} answered ${answer.rcode}`);
  return answer.answers === 0
    ? failed('check-mismatch', `${label} answered without a record`)
    : passed(`${label} passed`);
}
