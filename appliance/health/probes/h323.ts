/**
 * `h323`: the H.323 stack at port 1720 answers a STATUS ENQUIRY about a call that does not exist.
 *
 * Why this message: every H.225.0 endpoint must accept it and answer (H.225.0 §7.3, Q.931 §5.8.10) with STATUS (call state null), or
 * refuse the unknown call reference by RELEASE or RELEASE COMPLETE (Q.931 §5.8.3.2). Either shows that the stack lives, and nothing
 * rings, is admitted at a gatekeeper or is left behind, as it would with a SETUP. A connection alone would not do: an MCU whose
 * application hangs still has a kernel that accepts.
 */
import type { Net, Random } from '../../host/ports.ts';
import { decodeQ931, encodeStatusEnquiry, Q931_TYPE, TpktReader } from '../codec/q931.ts';
import { converse } from '../exchange.ts';
import { failed, labelOf, type Probe, type ProbeResult, passed } from '../probe.ts';

const ANSWERS: ReadonlySet<number> = new Set([
  Q931_TYPE.status,
  Q931_TYPE.release,
  Q931_TYPE.releaseComplete,
]);

/** Messages about other calls, or none, that are passed over before it gives up. */
const OTHERS_LIMIT = 16;

export const h323Probe =
  (net: Net, random: Random): Probe =>
  (target, attempt) => {
    const label = labelOf(target);
    const reference = 1 + Math.floor(random.uniform() * 0x7ffe);
    const reader = new TpktReader();
    let others = 0;
    const malformed = (why: string): ProbeResult =>
      failed('check-malformed', `${label} answered with ${why}`);
    return converse(net, target, attempt, {
      send: encodeStatusEnquiry(reference, random.bytes(16)),
      awaits: 'connected, but no answer to the status enquiry',
      onData(bytes) {
        const messages = reader.push(bytes);
        if (typeof messages === 'string') return malformed(messages);
        for (const bytes of messages) {
          const message = decodeQ931(bytes);
          if (typeof message === 'string') return malformed(message);
          if (message.reference === reference && message.fromCalled)
            return ANSWERS.has(message.type)
              ? passed(`${label} passed`)
              : failed(
                  'check-mismatch',
                  `${label} answered the status enquiry with message type ${message.type}`,
                );
          if (++others > OTHERS_LIMIT)
            return failed('check-mismatch', `${label} talks of other calls, but does not answer`);
        }
        return undefined;
      },
    });
  };
