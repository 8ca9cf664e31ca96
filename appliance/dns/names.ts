/**
 * Domain names. Within the program a name is text in lower case, labels apart by dots, without the dot at the end (`www.cell`; the root
 * is ''). Labels have 1 to 63 printable ASCII characters other than dots, backslashes and upper-case letters, so that text and wire
 * form correspond one to one. What a stranger asks for may be anything: it is only ever compared in its wire form.
 */

/** RFC 1035 §2.3.4: a name's wire form has 255 bytes at most, and so not more labels than this. */
export const MOST_NAME_BYTES = 255;
export const MOST_LABELS = 127;

const LABEL = /^[!-@[\]-~]{1,63}$/;

/** Reads a name as people write it, in any case, with or without the dot at the end; undefined when it is none. */
export function parseName(text: string): string | undefined {
  const name = (text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase();
  if (name === '') return text === '' || text === '.' ? '' : undefined;
  if (name.length + 2 > MOST_NAME_BYTES) return undefined;
  return name.split('.').every(label => LABEL.test(label) && !label.includes('.')) ? name : undefined;
}

/** The wire form (RFC 1035 §3.1), uncompressed. Throws a RangeError for what parseName would not give. */
export function nameBytes(name: string): Uint8Array {
  if (parseName(name) !== name) throw new RangeError(`not a domain name: '${name}'`);
  if (name === '') return new Uint8Array(1);
  const bytes = new Uint8Array(name.length + 2);
  let lengthAt = 0;
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if (code === DOT) {
      bytes[lengthAt] = index - lengthAt;
      lengthAt = index + 1;
    } else bytes[index + 1] = code;
  }
  bytes[lengthAt] = name.length - lengthAt;
  return bytes;
}

const DOT = 46;

/** The name one label up; undefined above the root. */
export function parentOf(name: string): string | undefined {
  if (name === '') return undefined;
  const dot = name.indexOf('.');
  return dot < 0 ? '' : name.slice(dot + 1);
}

/** Whether `name` is `apex` or below it. */
export const isWithin = (name: string, apex: string): boolean =>
  apex === '' || name === apex || name.endsWith(`.${apex}`);
