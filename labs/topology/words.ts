/**
 * Splits a command into words as containerlab does for `cmd` and `exec`: POSIX quoting, and no shell behind it (no variables,
 * pipes or globs; whoever wants those writes `sh -c '…'`).
 */
export function words(command: string): string[] {
  const out: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < command.length; at++) {
    const char = command[at]!;
    if (char === "'" || char === '"') {
      const [text, end] = quoted(command, at);
      word = (word ?? '') + text;
      at = end;
    } else if (char === '\\') {
      if (at + 1 === command.length) throw new Error(`nothing follows the last backslash of: ${command}`);
      word = (word ?? '') + command[++at]!;
    } else if (/\s/.test(char)) {
      if (word !== undefined) out.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) out.push(word);
  return out;
}

/** The text between the quote at `start` and its partner, and where the partner is. */
function quoted(command: string, start: number): [text: string, end: number] {
  const quote = command[start]!;
  let text = '';
  for (let at = start + 1; at < command.length; at++) {
    const char = command[at]!;
    if (char === quote) return [text, at];
    // Within double quotes a backslash escapes only these (POSIX shell, 2.2.3).
    if (quote === '"' && char === '\\' && /["\\$`]/.test(command[at + 1] ?? '')) text += command[++at]!;
    else text += char;
  }
  throw new Error(`the quote ${quote} at column ${start + 1} is never closed in: ${command}`);
}

/** One word as a POSIX shell reads it back. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
