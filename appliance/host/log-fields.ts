/**
 * The fields of a log line, as text: pure, bounded, on one line, and without secrets.
 */

/** Characters of one value that are kept. */
export const VALUE_LIMIT = 512;

/** Fields of one line that are kept. */
const FIELDS_LIMIT = 32;

/** A key so named never shows its value. */
const SECRET_KEY = /secret|passw|passphrase|token|private.?key|credential|cookie/i;

/** Nor does a value that holds one of these, whatever its key. */
const SECRET_VALUE = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** ` key=value key="with spaces"`, in the order given; undefined ones are left out. */
export function renderFields(fields: Readonly<Record<string, unknown>>): string {
  let text = '';
  let count = 0;
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (++count > FIELDS_LIMIT) return `${text} …`;
    text += ` ${key}=${SECRET_KEY.test(key) ? '[secret]' : renderValue(value)}`;
  }
  return text;
}

function renderValue(value: unknown): string {
  const text = plainText(value);
  if (SECRET_VALUE.test(text)) return '[secret]';
  const cut = text.length > VALUE_LIMIT ? `${text.slice(0, VALUE_LIMIT)}…` : text;
  // A value from the network may hold a newline or a terminal's escape sequence: quoted, all on one line, nothing left to act.
  return /^[!#-<>-~\u2026]+$/.test(cut) ? cut : quote(cut);
}

/** JSON's escapes, and also for what JSON leaves as it is: DEL, C1 controls, bidirectional marks and line separators. */
const quote = (text: string): string =>
  JSON.stringify(text).replace(
    /[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

function plainText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return value.message;
  if (value instanceof Uint8Array)
    return Array.from(value.subarray(0, VALUE_LIMIT / 2), byte => byte.toString(16).padStart(2, '0')).join(
      '',
    );
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    // The whole of it is checked for secrets by key, however deep.
    return JSON.stringify(value, (key, inner: unknown) =>
      SECRET_KEY.test(key) ? '[secret]' : typeof inner === 'bigint' ? String(inner) : inner,
    );
  } catch {
    return '[not printable]';
  }
}
