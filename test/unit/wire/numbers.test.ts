/** docs/protocol.md and the code say the same numbers, names, bits and counts; and every number has a vector. */
import { describe, expect, test } from 'vitest';
import { ANYCAST } from '../../../sdk/wire/anycast.ts';
import * as plain from '../../../sdk/wire/elements.ts';
import { hex16 } from '../../../sdk/wire/errors.ts';
import * as groups from '../../../sdk/wire/groups.ts';
import type { Element, Field, RecordCodec } from '../../../sdk/wire/layout.ts';
import { REFUSAL, WELL_KNOWN } from '../../../sdk/wire/messages.ts';
import { NOTICES } from '../../../sdk/wire/notices.ts';
import { MESSAGE, RESERVED_ELEMENTS, RESERVED_MESSAGES } from '../../../sdk/wire/numbers.ts';
import { POLLS } from '../../../sdk/wire/polls.ts';
import { REGISTRATION } from '../../../sdk/wire/registration.ts';
import { elementEnd, readU16 } from '../../../sdk/wire/tlv.ts';
import { protocolText, vectors } from '../../support/vectors.ts';

const isElement = (value: unknown): value is Element<unknown> =>
  typeof value === 'object' && value !== null && 'mandatory' in value;
const plainElements = (Object.values(plain) as unknown[]).filter(isElement);
const groupElements = (Object.values(groups) as unknown[]).filter(isElement);
const messages = [...REGISTRATION, ...ANYCAST, ...NOTICES, ...POLLS];
const hex8 = (number: number) => `0x${number.toString(16).padStart(2, '0')}`;

/** The cells of the table rows below a heading, up to the next one. */
function tableUnder(heading: string): string[][] {
  const start = protocolText.indexOf(`\n${heading}\n`);
  expect(start, `the heading '${heading}'`).toBeGreaterThan(0);
  const section = protocolText.slice(start + heading.length + 2).split(/^#/m)[0]!;
  return [...section.matchAll(/^\| (.*) \|$/gm)]
    .map(([, row]) => row!.split(' | ').map(cell => cell.replaceAll('|', '').trim()))
    .slice(1);
}

const times = ({ arity, least, most }: Field<unknown>): string =>
  arity === 'one' ? '1' : arity === 'many' ? `${least}…${most}` : '0…1';

const rowsOf = (codec: RecordCodec<never>) =>
  codec.fields.map(([, field]) => [`\`${field.element.name}\``, times(field)]);

test('plain elements stand in §4.3 with number, name and mandatory bit, and nothing else does', () => {
  const written = tableUnder('### 4.3 Plain elements').map(row => row.slice(0, 3));
  const coded = new Map(
    plainElements.map(({ number, name, mandatory }) => [
      number,
      [hex16(number), name, mandatory ? '1' : '0'],
    ]),
  );
  expect(written).toEqual([...coded.entries()].sort(([a], [b]) => a - b).map(([, row]) => row));
});

test('one number, one name', () => {
  const names = new Map<number, string>();
  for (const { number, name } of [...plainElements, ...groupElements]) {
    expect(names.get(number) ?? name).toBe(name);
    names.set(number, name);
    for (const [first, last] of Object.values(RESERVED_ELEMENTS))
      expect(number < first || number > last, `${name} is in a block set aside`).toBe(true);
  }
  for (const number of Object.values(MESSAGE))
    for (const [first, last] of Object.values(RESERVED_MESSAGES))
      expect(number < first || number > last).toBe(true);
});

describe('groups have the elements that §4.4 says', () => {
  test.each(groupElements.map(element => [element.name, element] as const))('%s', (name, element) => {
    const written = tableUnder(`#### ${name} (${hex16(element.number)}, M ${element.mandatory ? 1 : 0})`);
    expect(written.map(row => row.slice(0, 2))).toEqual(rowsOf(element.kind as RecordCodec<never>));
  });
});

describe('messages have the elements that §5.3, §7 and Notices say', () => {
  test.each(messages.map(message => [message.type, message] as const))('%s', (type, message) => {
    const written = tableUnder(`#### ${type} (${hex8(message.number)})`);
    expect(written.map(row => row.slice(0, 2))).toEqual(rowsOf(message.codec as RecordCodec<never>));
  });
});

test('§3.1 lists all message types, with their transactions', () => {
  const written = tableUnder('### 3.1 Message types').map(([number, name, , , transaction]) => [
    number,
    name,
    transaction,
  ]);
  const coded = messages.map(message => [
    hex8(message.number),
    message.type,
    'transaction' in message ? message.transaction : 'none',
  ]);
  expect(written).toEqual(coded);
});

test('error codes, well-known numbers and blocks set aside', () => {
  expect(tableUnder('## Error codes').map(([number, code]) => [Number(number), code])).toEqual(
    Object.entries(REFUSAL).map(([code, number]) => [number, code]),
  );
  const wellKnown = tableUnder('## 2. Well-known numbers').map(row => row.at(-1)!.replaceAll('`', ''));
  for (const value of Object.values(WELL_KNOWN)) {
    expect(wellKnown.some(cell => cell === `${value}` || cell === hex16(Number(value)))).toBe(true);
  }
  for (const [first, last] of Object.values(RESERVED_ELEMENTS))
    expect(protocolText).toContain(`| ${hex16(first)}…${hex16(last)} |`);
  for (const [first, last] of Object.values(RESERVED_MESSAGES))
    expect(protocolText).toContain(`${hex8(first)}…${hex8(last)}`);
});

test('the numbers that stand for words are those of §4.3', () => {
  const said = new Map(tableUnder('### 4.3 Plain elements').map(row => [row[1]!, row[4]!]));
  const expectTable = (name: string, words: Readonly<Record<string, number>>) => {
    for (const [word, number] of Object.entries(words))
      expect(said.get(name)).toContain(`${number} \`${word}\``);
  };
  expectTable('check-kind', plain.CHECK_KIND);
  expectTable('mode', plain.FORWARD_MODE);
  expectTable('scheduler', plain.SCHEDULER);
  expectTable('state', plain.STATE);
  expectTable('transport', { tcp: 6, udp: 17, sctp: 132 });
});

test('the worked examples of the score follow its formula', () => {
  const rows = tableUnder('## Score').map(row => row.slice(-2).map(Number) as [number, number]);
  expect(rows.length).toBeGreaterThan(8);
  for (const [capacity, score] of rows.slice(1)) {
    expect(score).toBe(Math.max(1, Math.round(1000 * (1 - 2 ** (-capacity / 100)))));
  }
  expect(rows[0]).toEqual([0, 0]);
});

test('every message type and every element is in a vector that is read', () => {
  const types = new Set<number>();
  const seen = new Set<number>();
  const isGroup = new Set(groupElements.map(({ number }) => number));
  const visit = (bytes: Uint8Array, start: number, end: number): void => {
    for (let at = start; at < end; at = elementEnd(bytes, at, end)) {
      const number = readU16(bytes, at) & 0x7fff;
      seen.add(number);
      if (isGroup.has(number)) visit(bytes, at + 4, elementEnd(bytes, at, end));
    }
  };
  for (const { bytes, carrier, refuse } of vectors) {
    if (refuse !== undefined || !['registration', 'anycast', 'notice', 'poll'].includes(carrier)) continue;
    types.add(bytes[3]!);
    visit(bytes, 12, bytes.length);
  }
  expect(messages.filter(({ number }) => !types.has(number)).map(({ type }) => type)).toEqual([]);
  const elements = [...plainElements, ...groupElements];
  expect(elements.filter(({ number }) => !seen.has(number)).map(({ name }) => name)).toEqual([]);
});
