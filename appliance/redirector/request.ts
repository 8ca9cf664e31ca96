/**
 * As much of HTTP/1.x (RFC 9112) as a redirect needs: where the head of a request ends, and what its first line asks for. Pure; it
 * holds at most LONGEST_HEAD bytes and looks at each of them once.
 */

/** Request line and header fields together, bytes. */
export const LONGEST_HEAD = 8192;

export interface HttpRequest {
  readonly method: string;
  /** Path and query, beginning with `/`: printable ASCII without spaces. */
  readonly target: string;
}

/** Why it is no request: the status and the sentence to answer it with. */
export interface HttpFault {
  readonly status: 400 | 431 | 505;
  readonly sentence: string;
}

const LF = 10;
const CR = 13;

/** RFC 9110 §5.6.2 token; RFC 9112 §3: method, target, version, one space between. */
const LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP\/([0-9])\.[0-9]$/;
/** RFC 9112 §3.2.2: clients of a proxy write the whole of it. */
const ABSOLUTE = /^https?:\/\/[^/?#]*([/?].*)?$/i;

export class RequestReader {
  private readonly bytes = new Uint8Array(LONGEST_HEAD);
  private length = 0;
  /** Bytes of the line that is being read, without CR. */
  private line = 0;
  private begun = false;

  /** Takes what came; gives the request or its fault once the head is complete (or cannot be), else undefined. What follows is the body. */
  push(chunk: Uint8Array): HttpRequest | HttpFault | undefined {
    for (const byte of chunk) {
      if (this.length === LONGEST_HEAD)
        return { status: 431, sentence: `the head of a request has ${LONGEST_HEAD} bytes at the most` };
      if (byte === LF && this.line === 0) {
        // RFC 9112 §2.2: empty lines before the request line are skipped.
        if (this.begun) return this.read();
        this.length = 0;
        continue;
      }
      if (!this.begun && byte !== CR) this.begun = true;
      this.bytes[this.length++] = byte;
      if (byte === LF) this.line = 0;
      else if (byte !== CR) this.line++;
    }
    return undefined;
  }

  private read(): HttpRequest | HttpFault {
    const end = this.bytes.indexOf(LF);
    const line = String.fromCharCode(...this.bytes.subarray(0, end)).replace(/\r$/, '');
    const match = LINE.exec(line);
    if (match === null) return { status: 400, sentence: 'this is no HTTP request line' };
    const [, method = '', asked = '', major] = match;
    if (major !== '1') return { status: 505, sentence: 'HTTP/1.x only' };
    const target = originForm(asked);
    return target === undefined
      ? { status: 400, sentence: 'the request target must be a path' }
      : { method, target };
  }
}

/** Path and query, without a fragment; undefined for `*` and for CONNECT's authority. */
function originForm(asked: string): string | undefined {
  const match = ABSOLUTE.exec(asked);
  const path = match === null ? asked : (match[1] ?? '/');
  const whole = path.startsWith('?') ? `/${path}` : path;
  return whole.startsWith('/') ? whole.replace(/#.*$/, '') : undefined;
}
