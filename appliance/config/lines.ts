/**
 * Where in a JSON text each value stands, so that an error can name the line.
 */

/** JSON pointer (RFC 6901) → line, from 1, of the value. The text must be valid JSON. */
export function linesOf(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  let position = 0;
  let line = 1;

  const skip = (): void => {
    for (; position < text.length && /[\s,:]/.test(text[position]!); position++)
      if (text[position] === '\n') line++;
  };
  const readString = (): string => {
    const start = position++;
    while (text[position] !== '"') position += text[position] === '\\' ? 2 : 1;
    return JSON.parse(text.slice(start, ++position)) as string;
  };
  const readValue = (pointer: string): void => {
    skip();
    lines.set(pointer, line);
    const open = text[position];
    if (open === '"') {
      readString();
    } else if (open === '{' || open === '[') {
      position++;
      for (let index = 0; ; index++) {
        skip();
        if (text[position] === '}' || text[position] === ']') break;
        const key = open === '{' ? readString() : String(index);
        readValue(`${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
      }
      position++;
    } else {
      while (position < text.length && !/[\s,\]}]/.test(text[position]!)) position++;
    }
  };
  readValue('');
  return lines;
}
