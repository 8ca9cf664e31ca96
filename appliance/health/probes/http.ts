/**
 * `http` and `https`: a GET answers with a status in range and, if that is asked for, a body that holds a text within its first
 * 64 KiB. Redirects are not followed (their status passes by default); the body is not asked for compressed.
 */
import type { Net } from '../../host/ports.ts';
import { BODY_LIMIT, type HttpProgress, HttpResponseReader, latin1 } from '../codec/http-response.ts';
import { converse } from '../exchange.ts';
import {
  failed,
  labelOf,
  type Probe,
  type ProbeResult,
  type ProbeTarget,
  passed,
  printable,
} from '../probe.ts';
import { tlsTo } from './tls.ts';

/** What `expectStatus` 0, 0 means. */
const DEFAULT_STATUS = [200, 399] as const;

export const httpProbe =
  (net: Net): Probe =>
  (target, attempt) => {
    const { kind, target: path, expectText } = target.check;
    const label = `${labelOf(target)} GET ${printable(path || '/')}`;
    // The path is the server's own words: it must not become a second header line.
    if (path !== '' && !/^\/[\x21-\x7e]*$/.test(path))
      return Promise.resolve(
        failed('check-invalid', `${label}: a path begins with / and has no blanks or control characters`),
      );
    const reader = new HttpResponseReader();
    const needle = latin1(new TextEncoder().encode(expectText));
    let searched = 0;
    const look = (progress: HttpProgress): ProbeResult | undefined => {
      if (progress.state === 'head') return undefined;
      if (progress.state === 'malformed') return failed('check-malformed', `${label} ${progress.why}`);
      const { status, body, ended } = progress;
      const bad = judgeStatus(label, status, target.check.expectStatus);
      if (bad !== undefined) return bad;
      if (body.indexOf(needle, Math.max(0, searched - needle.length)) >= 0) return passed(`${label} passed`);
      searched = body.length;
      attempt.stage = 'the body has not ended';
      const where = body.length >= BODY_LIMIT ? `the first ${BODY_LIMIT / 1024} KiB of its body` : 'its body';
      return ended
        ? failed(
            'check-mismatch',
            `${label} answered ${status}, but '${printable(expectText, 40)}' is not in ${where}`,
          )
        : undefined;
    };
    return converse(net, target, attempt, {
      ...(kind === 'https' ? { tls: tlsTo(target.service.name) } : {}),
      send: new TextEncoder().encode(requestOf(target)),
      awaits: 'connected, but no answer',
      onData: bytes => look(reader.push(bytes)),
      onEnd: () => look(reader.end()),
    });
  };

function judgeStatus(
  label: string,
  status: number,
  wanted: readonly [number, number],
): ProbeResult | undefined {
  const [lowest, highest] = wanted[0] === 0 && wanted[1] === 0 ? DEFAULT_STATUS : wanted;
  return status >= lowest && status <= highest
    ? undefined
    : failed('check-status', `${label} answered ${status}, wanted ${lowest}–${highest}`);
}

/** RFC 9110 §7.2: the port stands in Host unless it is the scheme's own. */
function requestOf({ service, port, check }: ProbeTarget): string {
  const host = port === (check.kind === 'https' ? 443 : 80) ? service.name : `${service.name}:${port}`;
  return [
    `GET ${check.target || '/'} HTTP/1.1`,
    `Host: ${host}`,
    'User-Agent: bivouac-health',
    'Accept: */*',
    'Accept-Encoding: identity',
    'Connection: close',
    '',
    '',
  ].join('\r\n');
}
