/** Transfers of the zone, and stock name servers that keep a copy of it. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DnsCell, type ServerProcess, secondaries, tell } from '../support/dns-cell.ts';
import { poll } from '../support/netns.ts';

let cell: DnsCell;
let server: ServerProcess;
const dig = (...words: readonly string[]): Promise<string> => cell.dig(...words);

beforeAll(async () => {
  cell = new DnsCell();
  await cell.build();
});
afterEach(async () => {
  server.end();
  await server.exited;
});
afterAll(() => cell.dispose());

const KEY = ['gslb-key', 'c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMgb3Igc28='] as const;
const start = (signed: boolean): Promise<ServerProcess> =>
  cell.start('1', '10.9.0.2/32', '10.9.0.2', ...(signed ? [KEY.join(':')] : []));

test.each([
  ['knot', false],
  ['bind', false],
  ['knot', true],
  ['bind', true],
] as const)(
  '%s as a secondary transfers the zone, is notified of each change, and follows; signed: %s',
  async (make, signed) => {
    server = await start(signed);
    const name = `${make}-${signed}`;
    const secondary = cell.stock(name, secondaries[make](cell.directory(name), ...(signed ? [KEY] : [])));
    const there = async (name: string): Promise<string> =>
      (await dig('@10.9.0.2', '+short', '+norec', name)).trim();
    await poll(
      async () => (await there('www.cell')) === '10.0.0.1\n10.0.0.2',
      30_000,
      'the zone at the secondary',
    );
    expect((await dig('@10.9.0.2', '+short', '+norec', '_sip._udp.cell', 'SRV')).trim()).toBe(
      '0 10 5060 www.cell.',
    );
    const serial = await tell(server, 'new.cell 10.0.0.77');
    await poll(async () => (await there('new.cell')) === '10.0.0.77', 30_000, 'the change at the secondary');
    expect(`serial ${(await dig('@10.9.0.2', '+short', '+norec', 'cell', 'SOA')).split(' ')[2]}`).toBe(
      serial,
    );
    await tell(server, 'new.cell');
    await poll(
      async () => (await dig('@10.9.0.2', '+norec', 'new.cell')).includes('NXDOMAIN'),
      30_000,
      'its end',
    );
    await secondary.stop();
    expect(secondary.stderr()).not.toMatch(/FORMERR|failed while receiving|malformed/i);
  },
);

test('IXFR is answered with the zone, or with the SOA to who has it all', async () => {
  server = await start(false);
  const serial = (await dig('+short', 'cell', 'SOA')).split(' ')[2]!;
  const none = await dig('-b', '10.9.0.2', 'cell', `IXFR=${serial}`);
  expect(none).toMatch(/XFR size: 1 records/);
  const whole = await dig('-b', '10.9.0.2', 'cell', `IXFR=${Number(serial) - 1}`);
  expect(whole).toMatch(/www\.cell\.\s+30\s+IN\s+A\s+10\.0\.0\.1/);
  expect(whole.match(/\tSOA\t/g)).toHaveLength(2);
});

test('strangers get no transfer', async () => {
  server = await start(false);
  expect(await dig('-b', '10.1.0.2', 'cell', 'AXFR')).toContain('Transfer failed');
  expect(await dig('-b', '10.9.0.2', 'cell', 'AXFR')).toMatch(/XFR size: \d+ records/);
});

test('where there are keys, only who signs with one gets the zone; and he can tell that it is ours', async () => {
  server = await start(true);
  const key = (name: string, secret: string): string => `hmac-sha256:${name}:${secret}`;
  const wrong = Buffer.from('another secret').toString('base64');
  const good = await dig('-y', key(...KEY), 'cell', 'AXFR');
  expect(good).toMatch(/XFR size: \d+ records/);
  expect(good).not.toMatch(/WARNING|verify/i);
  expect(await dig('cell', 'AXFR')).toContain('Transfer failed');
  expect(await dig('-b', '10.1.0.2', '-y', key(...KEY), 'cell', 'AXFR')).toContain('Transfer failed');
  for (const bad of [key(KEY[0], wrong), key('other', KEY[1]), `hmac-sha512:${KEY.join(':')}`])
    expect(await dig('-y', bad, 'cell', 'AXFR')).toMatch(/Transfer failed/);
  // By UDP, too: dig looks whether the answer's signature is right.
  const answer = await dig('-y', key(...KEY), '+edns=0', '+norec', 'www.cell', 'A');
  expect(answer).toMatch(/status: NOERROR[\s\S]*10\.0\.0\.1[\s\S]*TSIG PSEUDOSECTION[\s\S]*NOERROR 0/);
  expect(answer).not.toMatch(/WARNING|verify failure/i);
  expect(await dig('-y', key(KEY[0], wrong), 'www.cell', 'A')).toMatch(/status: NOTAUTH[\s\S]*BADSIG/);
  expect(await dig('-y', key('other', KEY[1]), 'www.cell', 'A')).toMatch(/status: NOTAUTH[\s\S]*BADKEY/);
});
