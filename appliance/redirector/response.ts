/**
 * The answers of the redirector, as they go out. Pure. No Date field: an appliance in the field need not have a clock that is right
 * (RFC 9110 §6.6.1).
 */
import { type Address, familyOf } from '../../sdk/wire/address.ts';

/** Seconds after which one may ask again where nothing serves. */
export const RETRY_AFTER = 1;

const PHRASES = {
  307: 'Temporary Redirect',
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
} as const;
export type Status = keyof typeof PHRASES;

/** RFC 9110 §15.4.8: the client asks there again, with the same method and body. `target` is a path with its query. */
export const redirection = (
  to: { readonly address: Address; readonly port: number },
  target: string,
): Uint8Array => render(307, [`Location: http://${authority(to.address, to.port)}${target}`], '');

/** A refusal with a sentence for people; `bare`: without it, for HEAD. */
export const refusal = (status: Exclude<Status, 307>, sentence: string, bare = false): Uint8Array =>
  render(status, status === 503 ? [`Retry-After: ${RETRY_AFTER}`] : [], `${sentence}\n`, bare);

function authority(address: Address, port: number): string {
  const host = familyOf(address) === 6 ? `[${address}]` : address;
  return port === 80 ? host : `${host}:${port}`;
}

function render(status: Status, fields: readonly string[], body: string, bare = false): Uint8Array {
  const head = [
    `HTTP/1.1 ${status} ${PHRASES[status]}`,
    ...fields,
    ...(body === '' ? [] : ['Content-Type: text/plain; charset=utf-8']),
    `Content-Length: ${body.length}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  return new TextEncoder().encode(`${head.join('\r\n')}\r\n\r\n${bare ? '' : body}`);
}
