/**
 * From the bytes of a query to the bytes of its answer, but for nonce and signature. The carriers put these on and send.
 */
import type { Address } from '../../sdk/wire/address.ts';
import {
  answerTemplate,
  encodeQueryRefusal,
  isQuery,
  nonceOf,
  type Query,
  splitAnswer,
} from '../../sdk/wire/answer.ts';
import { decodeAnycast, encodeAnycast, NONCE_AT, NONCE_END } from '../../sdk/wire/anycast.ts';
import { WireError } from '../../sdk/wire/errors.ts';
import type { RefusalCode } from '../../sdk/wire/messages.ts';
import type { AnsweredManager, ManagerId } from '../../sdk/wire/model.ts';
import { appendSignature, SIGNATURE_SIZE, signedPart } from '../../sdk/wire/signing.ts';
import type { WantedDirectory } from '../desired/wanted.ts';
import type { Clock, Signer } from '../host/ports.ts';
import type { QueryOutcome } from './counters.ts';
import { type AnswerLimits, answer, DEFAULT_LIMITS, type Decision, knows } from './decide.ts';
import { SourceLimits } from './source-limits.ts';

/** Parts of one answer: 90 KiB in datagrams, more than 1,000 servers. */
const MOST_PARTS = 64;

/** Signatures a second, whoever asks for them: a tenth of one small processor at most. */
const SIGNATURES = 1000;

const NONCE = new Uint8Array(8);

export interface AnswersOptions {
  readonly clock: Clock;
  readonly manager: ManagerId;
  /** Absent: whoever wants a signed answer is refused. */
  readonly signer: Signer | undefined;
  /** For how long an answer holds, ms. */
  readonly validity: number;
  readonly limits?: AnswerLimits;
  /** Whom else to ask, for what is not here; undefined: nobody knows. */
  readonly elsewhere?: Elsewhere | undefined;
}

/** A GSLB's answer to what this manager has not (docs/protocol.md §7.8). */
export type Elsewhere = (
  query: Query,
  source: Address,
) => { readonly managers: readonly AnsweredManager[]; readonly omitted: number } | undefined;

/** A decision in bytes. */
export interface Reply {
  readonly reason: QueryOutcome;
  /** The messages, each with a nonce of zeros; empty = nothing is to be said. */
  readonly templates: readonly Uint8Array[];
  /** Whether each is to be signed once it has its nonce. */
  readonly signed: boolean;
  /** Bytes in all, signatures included. */
  readonly size: number;
  /** Whether the same bytes would get the same reply, as long as the directory is the same. */
  readonly lasting: boolean;
}

export class Answers {
  private readonly options: AnswersOptions;
  private readonly signatures: SourceLimits<'all'>;
  private directory: WantedDirectory | undefined;
  private manager: ManagerId;

  constructor(options: AnswersOptions) {
    this.options = options;
    this.manager = options.manager;
    this.signatures = new SourceLimits(options.clock, SIGNATURES, () => {});
  }

  /** From now on answers come from this. Replies that a carrier remembers are void. */
  setDirectory(directory: WantedDirectory): void {
    this.directory = directory;
  }

  /** From now on answers are this manager's. Replies that a carrier remembers are void. */
  setManager(manager: ManagerId): void {
    this.manager = manager;
  }

  /** `room`: bytes that a message may have. `shared`: other managers hear the query too, so keep silent if nothing is known. */
  reply(query: Uint8Array, room: number, shared: boolean, source?: Address): Reply {
    if (!isQuery(query)) return silence('not-a-query');
    try {
      const message = decodeAnycast(query);
      return message.type === 'query' ? this.replyTo(message, room, shared, source) : silence('not-a-query');
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (nonceOf(query) === undefined) return silence('malformed');
      return this.refuse('malformed', error.code, error.message, query.length, false);
    }
  }

  /** The finished message: the template with the query's nonce, and signed if it must be. Undefined: over the budget of signatures. */
  finish(template: Uint8Array, query: Uint8Array, signed: boolean): Uint8Array | undefined {
    // Buffer's pool makes this copy at a tenth of what a fresh Uint8Array costs.
    const message = Buffer.allocUnsafe(template.length);
    message.set(template);
    for (let at = NONCE_AT; at < NONCE_END; at++) message[at] = query[at]!;
    if (!signed) return message;
    const { signer } = this.options;
    if (signer === undefined || !this.signatures.allow('all')) return undefined;
    return appendSignature(message, signer.sign(signedPart(message)));
  }

  private replyTo(query: Query, room: number, shared: boolean, source: Address | undefined): Reply {
    const { signer, validity, limits, elsewhere } = this.options;
    if (query.signed && signer === undefined) {
      const sentence = 'this manager has no key to sign with; ask without, or ask another';
      return this.refuse('refused', 'not-permitted', sentence, room, true);
    }
    if (this.directory === undefined) return silence('nothing-here');
    const decision = answer(query, this.directory, limits ?? DEFAULT_LIMITS);
    if (shared && !knows(decision)) return { ...silence(decision.reason), lasting: true };
    const others =
      source === undefined || decision.reason === 'answered' ? undefined : elsewhere?.(query, source);
    if (others !== undefined) return this.direct(query, others);
    const parts = splitAnswer(whole(decision, this.manager, validity), room, query.signed, MOST_PARTS);
    const templates = parts.map(answerTemplate);
    const bytes = templates.reduce((sum, template) => sum + template.length, 0);
    return {
      reason: decision.reason,
      templates,
      signed: query.signed,
      size: bytes + (query.signed ? SIGNATURE_SIZE * templates.length : 0),
      lasting: true,
    };
  }

  /** Names managers: another client may get others, so it is not kept. */
  private direct(query: Query, { managers, omitted }: NonNullable<ReturnType<Elsewhere>>): Reply {
    const template = answerTemplate({
      ...{ type: 'answer', nonce: NONCE, manager: this.manager, part: 1, parts: 1 },
      ...{ validity: this.options.validity, servers: [], managers: { list: managers } },
      ...(omitted > 0 && { omitted }),
    });
    const size = template.length + (query.signed ? SIGNATURE_SIZE : 0);
    return { reason: 'answered', templates: [template], signed: query.signed, size, lasting: false };
  }

  private refuse(
    reason: 'malformed' | 'refused',
    code: RefusalCode,
    sentence: string,
    room: number,
    lasting: boolean,
  ): Reply {
    const template = encodeQueryRefusal(NONCE, code, cut(sentence), room);
    if (template === undefined) return silence(reason);
    return { reason, templates: [template], signed: false, size: template.length, lasting };
  }
}

/** The bytes of a `cookie` message that answers `query`. */
export const cookieMessage = (query: Uint8Array, cookie: Uint8Array): Uint8Array =>
  encodeAnycast({ type: 'cookie', nonce: nonceOf(query) ?? NONCE, cookie });

const whole = (decision: Decision, manager: ManagerId, validity: number) => ({
  type: 'answer' as const,
  nonce: NONCE,
  manager,
  ...(decision.vip === undefined ? {} : { vip: decision.vip }),
  part: 1,
  parts: 1,
  validity,
  ...(decision.omitted === 0 ? {} : { omitted: decision.omitted }),
  servers: decision.servers,
});

const silence = (reason: QueryOutcome): Reply => ({
  reason,
  templates: [],
  signed: false,
  size: 0,
  lasting: false,
});

/** Sentences may quote what a stranger sent; the element holds 512 bytes. */
const cut = (sentence: string): string => (sentence.length > 160 ? `${sentence.slice(0, 159)}…` : sentence);
