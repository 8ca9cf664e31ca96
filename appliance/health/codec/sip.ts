/**
 * The little of SIP that a check needs (RFC 3261): an OPTIONS request, and whether a message is the response to it.
 */
import type { Address } from '../../../sdk/wire/address.ts';
import { latin1 } from './http-response.ts';

/** Bytes of a response's start line and headers. */
export const SIP_HEAD_LIMIT = 8 * 1024;

export interface Transaction {
  readonly transport: 'udp' | 'tcp';
  readonly address: Address;
  readonly port: number;
  /** Port that it is sent from. */
  readonly localPort: number;
  /** Unique token of at least 16 characters, from which branch, tag and Call-ID are made. */
  readonly token: string;
}

/** RFC 3261 §8.1.1.7: what makes the branch one of this RFC. */
const COOKIE = 'z9hG4bK';

/**
 * OPTIONS outside a dialog (RFC 3261 §11.1). Answers come to the address that the request came from, whatever Via says, since it
 * asks for that (`rport`, RFC 3581); this host has many addresses and need not know which one the kernel took.
 */
export function encodeSipOptions({ transport, address, port, localPort, token }: Transaction): Uint8Array {
  const host = address.includes(':') ? `[${address}]` : address;
  return new TextEncoder().encode(
    [
      `OPTIONS sip:${host}:${port} SIP/2.0`,
      `Via: SIP/2.0/${transport.toUpperCase()} bivouac.invalid:${localPort};rport;branch=${COOKIE}${token}`,
      'Max-Forwards: 70',
      `From: <sip:health@bivouac.invalid>;tag=${token}`,
      `To: <sip:${host}:${port}>`,
      `Call-ID: ${token}@bivouac.invalid`,
      'CSeq: 1 OPTIONS',
      'Accept: application/sdp',
      'User-Agent: bivouac-health',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  );
}

/** A status of 100…699 of the very transaction; or why the message is not that. */
export type SipResponse =
  | { readonly kind: 'response'; readonly status: number }
  | { readonly kind: 'foreign'; readonly why: string }
  | { readonly kind: 'malformed'; readonly why: string };

/** Reads the head of a response (start line and headers, without the blank line that ends it). */
export function decodeSipResponse(head: string, token: string): SipResponse {
  // RFC 3261 §7.3.1: a line that begins with a blank goes on from the one before.
  const [line = '', ...headers] = head.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/);
  const status = /^SIP\/2\.0 ([1-6]\d{2}) /i.exec(`${line} `);
  if (status === null) return { kind: 'malformed', why: 'something that is not a SIP response' };
  const field = (...names: string[]): string | undefined => {
    for (const header of headers) {
      const match = /^([A-Za-z-]+)[ \t]*:[ \t]*(.*)$/.exec(header);
      if (match !== null && names.includes(match[1]!.toLowerCase())) return match[2]!.trim();
    }
    return undefined;
  };
  // Branch and Call-ID compare exactly (§20.8, §17.1.3), CSeq by number and method. The topmost Via is ours alone.
  const branch = /;[ \t]*branch[ \t]*=[ \t]*([^;, \t]+)/i.exec(field('via', 'v') ?? '');
  if (branch?.[1] !== `${COOKIE}${token}`) return { kind: 'foreign', why: 'a response with another branch' };
  if (field('call-id', 'i') !== `${token}@bivouac.invalid`)
    return { kind: 'foreign', why: 'a response with another Call-ID' };
  if (!/^0*1[ \t]+OPTIONS$/.test(field('cseq') ?? ''))
    return { kind: 'foreign', why: 'a response with another CSeq' };
  return { kind: 'response', status: Number(status[1]) };
}

/** Cuts a stream into heads; their bodies are passed over, by the length that they announce. */
export class SipReader {
  private text = '';
  /** Bytes of a body that are still to be passed over. */
  private skip = 0;

  /** The heads that are complete with these bytes, or what is wrong. */
  push(bytes: Uint8Array): string[] | { readonly why: string } {
    this.text += latin1(bytes);
    const heads: string[] = [];
    for (;;) {
      const passed = Math.min(this.skip, this.text.length);
      this.skip -= passed;
      this.text = this.text.slice(passed).replace(/^[\r\n]+/, ''); // §7.5: before a start line they mean nothing.
      const end = /\r?\n\r?\n/.exec(this.text);
      if ((end?.index ?? this.text.length) > SIP_HEAD_LIMIT)
        return { why: `a head of more than ${SIP_HEAD_LIMIT} bytes` };
      if (end === null) return heads;
      const head = this.text.slice(0, end.index);
      this.skip = Number(/^(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t]*$/im.exec(head)?.[1] ?? 0);
      this.text = this.text.slice(end.index + end[0].length);
      heads.push(head);
    }
  }
}
