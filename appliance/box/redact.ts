/**
 * Takes secrets out of texts that leave the box. Two nets, one behind the other: values that are known to be secret, wherever they stand
 * and however they are written; and whatever looks like one. Pure.
 */

/** What stands in a secret's place. */
export const REDACTED = '[taken out]';

/** Shorter values are in too many words by chance; nobody should have them as secrets either. */
const SHORTEST = 4;

/** None of them takes more than a time in proportion to the text, whatever stands in it. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // PEM (RFC 7468), also where its end is cut off, or its lines are written as \n.
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED],
  // FRR's: ip ospf message-digest-key 1 md5 X, password X, enable password X, authentication … key X.
  [/(\bmessage-digest-key \d+ md5 )\S+/g, `$1${REDACTED}`],
  [
    /(\b(?:password|passphrase|authentication-key|key-string|pre-shared-key)(?: [0-9])? )\S+/g,
    `$1${REDACTED}`,
  ],
  [/(\bipv6 ospf6 authentication .{0,200}\bkey )\S+/g, `$1${REDACTED}`],
  // JSON: "password": "X"; a key's path is no secret, but who knows what somebody put there.
  [
    /((?:password|passwd|secret|token|cookie|private)[\w.-]{0,64}"\s*:\s*)"(?:[^"\\]|\\.)*"/gi,
    `$1"${REDACTED}"`,
  ],
  // key=value, as logs and sysctl have it: net.ipv4.tcp_fastopen_key = X, stable_secret = X.
  [/((?:password|passwd|secret|token|cookie|psk|_key)\s*[=:]\s*)(?!")\S+/gi, `$1${REDACTED}`],
  [/(\b(?:authorization|cookie|set-cookie):[ \t]*).+/gi, `$1${REDACTED}`],
  // Password hashes (crypt(5)).
  [/\$(?:y|7|6|5|2[aby]|1|gy)\$[./A-Za-z0-9$,=-]{8,}/g, REDACTED],
];

/** What takes these secrets out of a text; each is a whole file's text or a single value. */
export function redactor(secrets: readonly string[]): (text: string) => string {
  const known = [...new Set(secrets.flatMap(formsOf))].sort((one, other) => other.length - one.length);
  return text => {
    let left = text;
    for (const secret of known) left = left.replaceAll(secret, REDACTED);
    for (const [pattern, instead] of PATTERNS) left = left.replaceAll(pattern, instead);
    return left;
  };
}

/** A secret as it may be written: whole, each line of it, in base64, in hex, in percent-encoding, and as JSON has it. */
function formsOf(secret: string): string[] {
  const trimmed = secret.trim();
  const pem = trimmed.includes('-----BEGIN');
  const lines = pem
    ? trimmed.split(/\r?\n/).filter(line => line.length >= 16 && !line.startsWith('-----'))
    : [trimmed];
  return [...lines, lines.join('')]
    .flatMap(value => {
      const bytes = new TextEncoder().encode(value);
      const base64 = btoa(String.fromCharCode(...bytes));
      const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
      return [
        value,
        base64,
        base64.replace(/=+$/, ''),
        hex,
        hex.toUpperCase(),
        encodeURIComponent(value),
        JSON.stringify(value).slice(1, -1),
      ];
    })
    .filter(form => form.length >= SHORTEST);
}
