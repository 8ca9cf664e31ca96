/** Transfers of the zone, and stock name servers that keep a copy of it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DnsCell, secondaries, tell } from '../support/dns-cell.ts';
import { type LongProcess, poll } from '../support/netns.ts';

let cell: DnsCell;
let server: LongProcess;
const dig = (...words: readonly string[]): Promise<string> => cell.dig(...words);

beforeAll(async () => {
  cell = new DnsCell();
  await cell.build();
  server = await cell.start('1', '10.9.0.2/32', '10.9.0.2');
});
afterAll(() => cell.dispose());

test.each(['knot', 'bind'] as const)(
  '%s as a secondary transfers the zone, is notified of each change, and follows',
  async make => {
    const secondary = cell.stock(make, secondaries[make](cell.directory(make)));
    const there = async (name: string): Promise<string> =>
      (await dig('@10.9.0.2', '+short', '+norec', name)).trim();
    await poll(
      async () => (await there('www.cell')) === '10.0.0.1\n10.0.0.2',
      20_000,
      'the zone at the secondary',
    );
    expect((await dig('@10.9.0.2', '+short', '+norec', '_sip._udp.cell', 'SRV')).trim()).toBe(
      '0 10 5060 www.cell.',
    );
    const serial = await tell(server, 'new.cell 10.0.0.77');
    await poll(async () => (await there('new.cell')) === '10.0.0.77', 20_000, 'the change at the secondary');
    expect(`serial ${(await dig('@10.9.0.2', '+short', '+norec', 'cell', 'SOA')).split(' ')[2]}`).toBe(
      serial,
    );
    await tell(server, 'new.cell');
    await poll(
      async () => (await dig('@10.9.0.2', '+norec', 'new.cell')).includes('NXDOMAIN'),
      20_000,
      'its end',
    );
    await secondary.stop();
    expect(secondary.stderr()).not.toMatch(/FORMERR|failed while receiving|malformed/i);
  },
);

test('IXFR is answered with the zone, or with the SOA to who has it all', async () => {
  const serial = (await dig('+short', 'cell', 'SOA')).split(' ')[2]!;
  const none = await dig('-b', '10.9.0.2', 'cell', `IXFR=${serial}`);
  expect(none).toMatch(/XFR size: 1 records/);
  const whole = await dig('-b', '10.9.0.2', 'cell', `IXFR=${Number(serial) - 1}`);
  expect(whole).toMatch(/www\.cell\.\s+30\s+IN\s+A\s+10\.0\.0\.1/);
  expect(whole.match(/\tSOA\t/g)).toHaveLength(2);
});

test('strangers get no transfer', async () => {
  expect(await dig('-b', '10.1.0.2', 'cell', 'AXFR')).toContain('Transfer failed');
  expect(await dig('-b', '10.9.0.2', 'cell', 'AXFR')).toMatch(/XFR size: \d+ records/);
});
