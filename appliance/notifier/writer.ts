/**
 * Notices as signed datagrams: who we are, our place in the sequence, and as many entries as fit. Pure but for the key.
 */
import type { NoticeMessage, Speaker } from '../../sdk/wire/messages.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import { encodeNotice, REPAIR_SIZE } from '../../sdk/wire/notices.ts';
import { appendSignature, SIGNATURE_SIZE, signedPart } from '../../sdk/wire/signing.ts';
import type { Signer } from '../host/ports.ts';
import type { Self } from './announced.ts';
import type { Entry } from './ledger.ts';

type Notice = Extract<NoticeMessage, { type: 'notice' }>;
type Refresh = Extract<NoticeMessage, { type: 'refresh' }>;

/** Room that stays free in an unasked notice: what an answer to a repair has besides (nonce, whole). */
const SPARE = 16;
const MOST_ADDRESSES = 8;

export class NoticeWriter {
  private readonly signer: Signer;
  private readonly boot: number;
  private readonly self: () => Self;

  constructor(signer: Signer, boot: number, self: () => Self) {
    this.signer = signer;
    this.boot = boot;
    this.self = self;
  }

  get manager(): ManagerId {
    return this.signer.id;
  }

  notice(fields: Omit<Notice, 'type' | 'boot' | 'signature' | keyof Speaker>): Uint8Array {
    return this.signed({ type: 'notice', ...this.speaker(), boot: this.boot, ...fields });
  }

  refresh(fields: Omit<Refresh, 'type' | 'boot' | 'signature' | keyof Speaker>): Uint8Array {
    return this.signed({ type: 'refresh', ...this.speaker(), boot: this.boot, ...fields });
  }

  /** Bytes that entries may take in one notice. */
  room(): number {
    const bare = encodeNotice({
      type: 'notice',
      ...this.speaker(),
      boot: this.boot,
      since: 0,
      change: 1,
      whole: false,
      bindings: [],
      offers: [],
    });
    return REPAIR_SIZE - bare.length - SIGNATURE_SIZE - SPARE;
  }

  private speaker(): Speaker {
    const { name, addresses, anycastPort, port, tls } = this.self();
    return {
      ...{ manager: this.signer.id, name, anycastPort, port, tls },
      addresses: addresses.slice(0, MOST_ADDRESSES),
    };
  }

  private signed(message: NoticeMessage): Uint8Array {
    const bytes = encodeNotice(message);
    return appendSignature(bytes, this.signer.sign(signedPart(bytes)));
  }
}

/** The entries as a notice has them. */
export const sorted = (entries: readonly Entry[]): Pick<Notice, 'bindings' | 'offers'> => ({
  bindings: entries.flatMap(entry => (entry.kind === 'binding' ? [entry.value] : [])),
  offers: entries.flatMap(entry => (entry.kind === 'offer' ? [entry.value] : [])),
});
