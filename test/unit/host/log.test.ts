import { describe, expect, it } from 'vitest';
import { createLog, LOG_BUDGET } from '../../../appliance/host/log.ts';
import { renderFields, VALUE_LIMIT } from '../../../appliance/host/log-fields.ts';
import type { LogLevel } from '../../../appliance/host/ports.ts';
import { VirtualClock } from '../../support/virtual.ts';

function setup(terminal = false, level: LogLevel = 'debug') {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const log = createLog({ clock, write: line => void lines.push(line), terminal, level });
  return { clock, lines, log };
}

describe('the log', () => {
  it('gives journald the severity, and a person the time', () => {
    const { log, lines } = setup();
    log('warning', 'check-failed', { service: 'a/1', sentence: 'timed out after 500 ms', absent: undefined });
    expect(lines).toEqual(['<4>check-failed service=a/1 sentence="timed out after 500 ms"\n']);
    const person = setup(true);
    person.log('error', 'x', { n: 1 });
    expect(person.lines).toEqual(['00:00:00.000 error   x n=1\n']);
  });

  it('leaves out what is less severe than asked', () => {
    const { log, lines } = setup(false, 'notice');
    for (const level of ['error', 'warning', 'notice', 'info', 'debug'] as const) log(level, level);
    expect(lines).toEqual(['<3>error\n', '<4>warning\n', '<5>notice\n']);
  });

  it('cuts off an event that repeats, counts what it cut, and lets others through', async () => {
    const { log, lines, clock } = setup();
    for (let count = 0; count < 10_000; count++) log('warning', 'refused', { count });
    log('warning', 'other');
    expect(lines).toHaveLength(LOG_BUDGET.burst + 1);
    await clock.advance(LOG_BUDGET.summaryEvery);
    expect(lines.at(-1)).toBe(`<4>log-suppressed event=refused count=${10_000 - LOG_BUDGET.burst}\n`);
    log('warning', 'refused');
    expect(lines.at(-1)).toBe('<4>refused\n');
    expect(clock.timers).toBe(0);
  });

  it('writes no more than its budget in the long run', async () => {
    const { log, lines, clock } = setup();
    for (let tenth = 0; tenth < 36_000; tenth++) {
      log('info', 'flood');
      clock.advanceSync(100);
    }
    expect(lines.length).toBeLessThan(LOG_BUDGET.burst + 3_600 * (LOG_BUDGET.perSecond + 0.2));
  });
});

describe('fields', () => {
  it('are each one word or quoted, never two lines, never an escape sequence', () => {
    const hostile = 'a b\n<0>emergency \x1b[2J \x9b \u202e \u2028 " \\';
    const text = renderFields({ plain: 'a=b', name: 'mcu.example', hostile, empty: '' });
    expect(text).toBe(
      ' plain="a=b" name=mcu.example hostile="a b\\n<0>emergency \\u001b[2J \\u009b \\u202e \\u2028 \\" \\\\" empty=""',
    );
  });

  it('hold no secret, by key or by look, however deep', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----';
    const text = renderFields({
      password: 'p',
      nested: { privateKey: 'k', ok: 1 },
      innocent: pem,
      authToken: 't',
    });
    expect(text).toBe(
      ' password=[secret] nested="{\\"privateKey\\":\\"[secret]\\",\\"ok\\":1}" innocent=[secret] authToken=[secret]',
    );
  });

  it('are bounded in length and number, and take any value', () => {
    expect(renderFields({ long: 'x'.repeat(10_000) })).toHaveLength(' long='.length + VALUE_LIMIT + 1);
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, index]));
    expect(renderFields(many)).toMatch(/k31=31 …$/);
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    expect(
      renderFields({ error: new Error('no'), bytes: Uint8Array.of(1, 255), big: 10n, none: null, circular }),
    ).toBe(' error=no bytes=01ff big=10 none=null circular="[not printable]"');
  });
});
