/**
 * Anycast ARP on one access link (docs/protocol.md §7.1): query frames in, answer frames out, to the asking station alone.
 */
import type { Mac } from '../../sdk/wire/address.ts';
import { NONCE_AT, NONCE_END } from '../../sdk/wire/anycast.ts';
import { ARP_MESSAGE_AT, anycastAnswerFrame, NO_ADDRESS, NO_MAC } from '../../sdk/wire/arp.ts';
import { HEADER } from '../../sdk/wire/header.ts';
import { readU16 } from '../../sdk/wire/tlv.ts';
import type { Answers, Reply } from './answers.ts';
import type { ResponderCounters } from './counters.ts';
import { type Station, sameMac, sourceKey } from './frame.ts';
import { QueryCache } from './query-cache.ts';
import type { SourceLimits } from './source-limits.ts';

/** What the ARP body takes of the MTU. */
const ARP_BODY = 28;

interface FramedReply {
  readonly reply: Reply;
  /** A frame for each template, complete but for the asker's addresses and the nonce: these are written into it each time. */
  readonly frames: readonly Uint8Array[];
}

export interface LinkCarrierOptions {
  readonly answers: Answers;
  /** By sourceKey. */
  readonly limits: SourceLimits<number>;
  readonly counters: ResponderCounters;
  /** Sends a frame at once: it is changed again afterwards. */
  readonly send: (frame: Uint8Array) => void;
}

export class LinkCarrier {
  private readonly options: LinkCarrierOptions;
  private readonly cache = new QueryCache<FramedReply>();
  private station: Station;

  constructor(options: LinkCarrierOptions, station: Station) {
    this.options = options;
    this.station = station;
  }

  /** What was answered before is void: the directory is another. */
  forget(): void {
    this.cache.clear();
  }

  /** The interface has other addresses, or another MTU. */
  setStation(station: Station): void {
    this.station = station;
    this.cache.clear();
  }

  /** One ARP frame with opcode 24 (frame.ts). Never throws for what it holds. */
  receive(frame: Uint8Array): void {
    const { counters, limits, send } = this.options;
    if (!this.isForUs(frame)) {
      counters.link['not-for-us']++;
      return;
    }
    if (!limits.allow(sourceKey(frame))) {
      counters.link['rate-limited']++;
      return;
    }
    const end = messageEnd(frame);
    if (end === 0) {
      counters.link['not-a-query']++;
      return;
    }
    let framed =
      this.cache.get(frame, ARP_MESSAGE_AT, end) ?? this.miss(frame.subarray(ARP_MESSAGE_AT, end), true);
    // Silence is for the sake of other managers; asked alone, it says that it knows nothing.
    if (framed.frames.length === 0 && (frame[0]! & 1) === 0)
      framed = this.miss(frame.subarray(ARP_MESSAGE_AT, end), false);
    counters.link[framed.reply.reason]++;
    for (let part = 0; part < framed.frames.length; part++) {
      if (framed.reply.signed) this.sendSigned(framed.reply.templates[part]!, frame);
      else send(addressTo(framed.frames[part]!, frame));
    }
  }

  /** Whether it came to this station or to all, from a single station that doesn't lie about itself. */
  private isForUs(frame: Uint8Array): boolean {
    const own = this.station.macBytes;
    if ((frame[0]! & 1) === 0 && !sameMac(frame, 0, own)) return false;
    if ((frame[6]! & 1) === 1 || sameMac(frame, 6, own)) return false;
    for (let at = 0; at < 6; at++) if (frame[6 + at] !== frame[22 + at]) return false;
    return true;
  }

  private miss(query: Uint8Array, shared: boolean): FramedReply {
    const reply = this.options.answers.reply(query, this.station.mtu - ARP_BODY, shared);
    const framed = { reply, frames: reply.templates.map(template => this.frame(template)) };
    if (reply.lasting && shared) this.cache.set(query, framed);
    return framed;
  }

  private sendSigned(template: Uint8Array, frame: Uint8Array): void {
    const signed = this.options.answers.finish(template, frame.subarray(ARP_MESSAGE_AT), true);
    if (signed !== undefined) this.options.send(addressTo(this.frame(signed), frame));
  }

  private frame(message: Uint8Array): Uint8Array {
    const asker = { senderMac: NO_MAC as Mac, senderAddress: NO_ADDRESS };
    return anycastAnswerFrame(this.station.mac, this.station.address ?? NO_ADDRESS, asker, message);
  }
}

/** Where the message behind the ARP body ends, and the frame's padding begins; 0 if the frame is cut short. */
function messageEnd(frame: Uint8Array): number {
  if (frame.length < ARP_MESSAGE_AT + HEADER) return 0;
  const end = ARP_MESSAGE_AT + HEADER + readU16(frame, ARP_MESSAGE_AT + 4);
  return end > frame.length ? 0 : end;
}

/** The answer frame with the addresses and the nonce of this query, in place. */
function addressTo(answer: Uint8Array, query: Uint8Array): Uint8Array {
  for (let at = 0; at < 6; at++) answer[at] = query[6 + at]!;
  for (let at = 0; at < 10; at++) answer[32 + at] = query[22 + at]!;
  for (let at = ARP_MESSAGE_AT + NONCE_AT; at < ARP_MESSAGE_AT + NONCE_END; at++) answer[at] = query[at]!;
  return answer;
}
