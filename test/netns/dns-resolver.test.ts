/** A stock resolver between clients and the server: what is cut, and what asks for a cookie, is all the same to who asks it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bindResolver, DnsCell, type ServerProcess, tell } from '../support/dns-cell.ts';
import { poll } from '../support/netns.ts';

let cell: DnsCell;
let server: ServerProcess;

beforeAll(async () => {
  cell = new DnsCell();
  await cell.build();
  server = await cell.start('1');
  await tell(server, `many.cell ${Array.from({ length: 40 }, (_, index) => `10.0.3.${index}`).join(' ')}`);
  cell.stock('bind', bindResolver(cell.directory('bind')));
  const resolves = async (): Promise<boolean> => (await ask('www.cell')).includes('10.0.0.1');
  await poll(resolves, 30_000, 'the resolver');
});
afterAll(() => cell.dispose());

const ask = (...words: readonly string[]): Promise<string> => cell.dig('@10.9.0.2', '+rec', ...words);

test.each([
  ['www.cell A', [/status: NOERROR/, /10\.0\.0\.1\n/, /10\.0\.0\.2\n/]],
  ['www.cell AAAA', [/status: NOERROR/, /fd00::1/]],
  // Too short a name to be told no whole without a proof.
  ['x.cell A', [/status: NXDOMAIN/, /cell\.\s+\d+\s+IN\s+SOA/]],
  ['text.cell AAAA', [/status: NOERROR/, /ANSWER: 0/, /cell\.\s+\d+\s+IN\s+SOA/]],
  ['many.cell A', [/status: NOERROR/, /ANSWER: 40/]],
  ['alias.cell A', [/status: NOERROR/, /CNAME\s+www\.cell\./, /10\.0\.0\.1\n/]],
  ['_sip._udp.cell SRV', [/SRV\s+0 10 5060 www\.cell\./]],
  ['text.cell TXT', [/"some words" "and more"/]],
] as [string, RegExp[]][])('%s', async (words, wanted) => {
  const said = await ask(...words.split(' '));
  for (const one of wanted) expect(said).toMatch(one);
});

test('it proves itself by a cookie, and needs no TCP', async () => {
  const counts = async (): Promise<Record<string, number>> =>
    JSON.parse((await tell(server, 'counts')).replace('counts ', '')) as Record<string, number>;
  for (let index = 0; index < 30; index++) expect(await ask(`y${index}.cell`)).toMatch(/NXDOMAIN/);
  const counted = (): Promise<Record<string, number>> =>
    poll(
      async () => {
        const now = await counts();
        return now['nxdomain']! >= 30 ? now : undefined;
      },
      30_000,
      'what was counted',
    );
  const { badcookie, truncated } = await counted();
  expect([badcookie! <= 5, truncated]).toEqual([true, 0]);
});
