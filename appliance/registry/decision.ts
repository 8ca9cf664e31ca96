/**
 * What the registry decided, as values: the log, the metrics, `bivouac show events` and the tests all read these.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ManagerMessage, RefusalCode } from '../../sdk/wire/messages.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import type { Reason, SessionId, State } from './state.ts';

export type DecisionKind =
  | 'server-registered'
  | 'server-lost'
  | 'server-left'
  | 'lease-granted'
  | 'lease-renewed'
  | 'lease-released'
  | 'lease-expired'
  | 'service-registered'
  | 'service-state'
  | 'service-withdrawn'
  | 'refused'
  | 'restored'
  | 'not-reached'
  | 'reached-again'
  | 'vip-conflict'
  | 'server-moved'
  | 'lease-misused'
  | 'lease-revoked'
  | 'peer-heard'
  | 'peer-silent'
  | 'peer-gone'
  | 'limit-reached'
  | 'answer-changed'
  | 'override'
  | 'stopping';

export interface Decision {
  readonly kind: DecisionKind;
  readonly reason: Reason;
  readonly server?: ServerId;
  readonly name?: string;
  readonly service?: number;
  readonly vip?: Address;
  /** What is to be said to a session. */
  readonly reply?: { readonly session: SessionId; readonly message: ManagerMessage };
  /** A session that is to be ended (superseded by a newer one of the same server). */
  readonly end?: SessionId;
}

/** The result of reduce. */
export interface Step {
  readonly state: State;
  readonly decisions: readonly Decision[];
}

export const reason = (code: string, sentence: string): Reason => ({ code, sentence });

/** A refusal, to the server and to the log alike. */
export const refused = (
  session: SessionId,
  transaction: number,
  code: RefusalCode,
  sentence: string,
  about: Partial<Pick<Decision, 'server' | 'name' | 'service' | 'vip'>> = {},
): Decision => ({
  ...about,
  kind: 'refused',
  reason: reason(code, sentence),
  reply: { session, message: { type: 'refused', transaction, code, sentence } },
});
