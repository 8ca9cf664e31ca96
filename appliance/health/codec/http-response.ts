/**
 * An HTTP/1.1 response as it comes (RFC 9112): status line, header section, and as much of the body as a check looks at.
 * Pushed in pieces of any size; everything is bounded.
 */
import { printable } from '../probe.ts';

/** Bytes of status line and header section, and of the chunk-size lines and trailers. */
export const HEAD_LIMIT = 16 * 1024;

/** Bytes of the body that are kept. */
export const BODY_LIMIT = 64 * 1024;

/** 1xx responses before the final one. */
const INTERIM_LIMIT = 8;

/** `body` is what came so far, one character a byte; `ended`: no more of it will be looked at. */
export type HttpProgress =
  | { readonly state: 'head' }
  | { readonly state: 'body'; readonly status: number; readonly body: string; readonly ended: boolean }
  | { readonly state: 'malformed'; readonly why: string };

type Framing =
  | { readonly kind: 'length'; left: number }
  | { readonly kind: 'close' }
  | { readonly kind: 'chunked' };

export class HttpResponseReader {
  private text = '';
  private interim = 0;
  private status = 0;
  private framing: Framing | undefined;
  /** Of the chunked coding: bytes of data left in this chunk, or what comes next. */
  private chunk: number | 'size' | 'end' = 'size';
  private body = '';
  private ended = false;
  private why: string | undefined;

  /** Takes the next bytes and says how far it is. */
  push(bytes: Uint8Array): HttpProgress {
    if (this.why !== undefined || this.ended) return this.progress();
    this.text += latin1(bytes);
    if (this.framing === undefined) this.readHead();
    if (this.framing !== undefined) this.readBody(this.framing);
    return this.progress();
  }

  /** The peer has ended: a body without a length is complete by that (RFC 9112 §6.3), anything else is cut off. */
  end(): HttpProgress {
    if (this.framing === undefined && this.why === undefined)
      this.why =
        this.text === ''
          ? 'closed the connection without an answer'
          : 'closed the connection within the header section';
    this.ended = true;
    return this.progress();
  }

  private progress(): HttpProgress {
    if (this.why !== undefined) return { state: 'malformed', why: this.why };
    if (this.framing === undefined) return { state: 'head' };
    return { state: 'body', status: this.status, body: this.body, ended: this.ended };
  }

  /** RFC 9112 §2.2 lets a lone LF end a line. */
  private readHead(): void {
    while (this.framing === undefined && this.why === undefined) {
      const end = /\r?\n\r?\n/.exec(this.text);
      // What cannot become a status line is known for that at once.
      if (!/^(H(T(T(P(\/(1(\.([01]( (\d.*)?)?)?)?)?)?)?)?)?)?$/s.test(this.text.slice(0, 10))) {
        this.why = `answered '${printable(this.text, 20)}', which is not HTTP/1`;
        return;
      }
      if (end === null || end.index > HEAD_LIMIT) {
        if (this.text.length > HEAD_LIMIT)
          this.why = `sent a header section of more than ${HEAD_LIMIT} bytes`;
        return;
      }
      const head = this.text.slice(0, end.index);
      this.text = this.text.slice(end.index + end[0].length);
      this.takeHead(head);
    }
  }

  private takeHead(head: string): void {
    const [line = '', ...fields] = head.split(/\r?\n/);
    const match = /^HTTP\/1\.[01] (\d{3})(?: .*)?$/.exec(line);
    if (match === null) {
      this.why = `answered '${printable(line, 40)}', which is not a status line`;
      return;
    }
    this.status = Number(match[1]);
    if (this.status >= 100 && this.status < 200) {
      if (++this.interim > INTERIM_LIMIT) this.why = `sent more than ${INTERIM_LIMIT} interim responses`;
      return;
    }
    this.frame(fields);
  }

  /** RFC 9112 §6.3. */
  private frame(fields: readonly string[]): void {
    const valuesOf = (name: string): string[] =>
      fields
        .filter(field => field.slice(0, field.indexOf(':')).toLowerCase() === name)
        .map(field => field.slice(field.indexOf(':') + 1).trim());
    const codings = valuesOf('transfer-encoding').join(',').toLowerCase();
    const lengths = new Set(valuesOf('content-length'));
    if (this.status === 204 || this.status === 304) this.framing = { kind: 'length', left: 0 };
    else if (codings !== '')
      this.framing = /(^|,)\s*chunked$/.test(codings) ? { kind: 'chunked' } : { kind: 'close' };
    else if (lengths.size === 0) this.framing = { kind: 'close' };
    else {
      const [length = ''] = lengths;
      if (lengths.size > 1 || !/^\d{1,15}$/.test(length))
        this.why = `sent the length '${printable([...lengths].join(', '), 40)}'`;
      else this.framing = { kind: 'length', left: Number(length) };
    }
  }

  private readBody(framing: Framing): void {
    if (framing.kind === 'chunked') this.readChunks();
    else {
      const size = framing.kind === 'close' ? this.text.length : Math.min(framing.left, this.text.length);
      this.keep(size);
      if (framing.kind === 'length') {
        framing.left -= size;
        if (framing.left === 0) this.ended = true;
      }
    }
  }

  /** RFC 9112 §7.1. Trailers are not looked at: the last chunk ends it. */
  private readChunks(): void {
    while (!this.ended && this.why === undefined) {
      if (typeof this.chunk === 'number') {
        const size = Math.min(this.chunk, this.text.length);
        this.keep(size);
        this.chunk -= size;
        if (this.chunk > 0) return;
        this.chunk = 'end';
      }
      const line = /\r?\n/.exec(this.text);
      if (line === null || line.index > HEAD_LIMIT) {
        if (this.text.length > HEAD_LIMIT) this.why = 'sent an endless chunk-size line';
        return;
      }
      const content = this.text.slice(0, line.index);
      this.text = this.text.slice(line.index + line[0].length);
      if (this.chunk === 'end') {
        if (content !== '') this.why = 'sent a chunk that is longer than its size';
        this.chunk = 'size';
        continue;
      }
      const size = /^([0-9a-f]{1,8})[ \t]*(;.*)?$/i.exec(content);
      if (size === null) this.why = `sent the chunk size '${printable(content, 20)}'`;
      else if (Number.parseInt(size[1]!, 16) === 0) this.ended = true;
      else this.chunk = Number.parseInt(size[1]!, 16);
    }
  }

  /** Moves `size` characters to the body. */
  private keep(size: number): void {
    this.body += this.text.slice(0, Math.min(size, BODY_LIMIT - this.body.length));
    this.text = this.text.slice(size);
    if (this.body.length >= BODY_LIMIT) this.ended = true;
  }
}

/** One character a byte, whatever the bytes. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8_192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return text;
}
