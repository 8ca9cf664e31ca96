/**
 * `sip`: OPTIONS gets a final response, over UDP or TCP as the service is registered.
 *
 * Which responses pass: 2xx to 4xx and 6xx do, since whoever refuses a request (401, 403, 404, 405…) is at work. Of 5xx only 501 does
 * (it does not know OPTIONS, but has a transaction layer that says so): with the others, 503 above all, a server says of itself that
 * it cannot serve (RFC 3261 §21.5). 1xx are waited beyond.
 */
import type { Net, Random } from '../../host/ports.ts';
import { latin1 } from '../codec/http-response.ts';
import { decodeSipResponse, encodeSipOptions, SipReader } from '../codec/sip.ts';
import { askByDatagram, converse } from '../exchange.ts';
import { failed, labelOf, type Probe, type ProbeResult, passed } from '../probe.ts';

export const sipProbe =
  (net: Net, random: Random): Probe =>
  (target, attempt) => {
    const label = labelOf(target);
    const { address, port } = target;
    const token = Array.from(random.bytes(12), byte => byte.toString(16).padStart(2, '0')).join('');
    const judge = (head: string): ProbeResult | string => {
      const response = decodeSipResponse(head, token);
      if (response.kind === 'malformed')
        return failed('check-malformed', `${label} answered with ${response.why}`);
      return response.kind === 'foreign' ? response.why : judgeStatus(label, response.status);
    };
    if (target.service.transport === 'udp')
      return askByDatagram(net, target, attempt, {
        ask: localPort => encodeSipOptions({ transport: 'udp', address, port, localPort, token }),
        hear: bytes => judge(latin1(bytes).split(/\r?\n\r?\n/, 1)[0]!),
      });
    const reader = new SipReader();
    return converse(net, target, attempt, {
      // Over a connection the response comes back on it (RFC 3261 §18.2.2): the port in Via is of no use.
      send: encodeSipOptions({ transport: 'tcp', address, port, localPort: 5060, token }),
      awaits: 'connected, but no final response',
      onData(bytes) {
        const heads = reader.push(bytes);
        if ('why' in heads) return failed('check-malformed', `${label} answered with ${heads.why}`);
        for (const head of heads) {
          const result = judge(head);
          if (typeof result !== 'string') return result;
          attempt.stage = `connected, but ${result}`;
        }
        return undefined;
      },
    });
  };

function judgeStatus(label: string, status: number): ProbeResult | string {
  if (status < 200) return 'only a provisional response';
  return status >= 500 && status < 600 && status !== 501
    ? failed('check-status', `${label} answered OPTIONS with ${status}`)
    : passed(`${label} passed`);
}
