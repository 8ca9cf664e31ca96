/** HTTP redirect on the real kernel: curl at a client far away, nftables, real web servers. */
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openNftables } from '../../appliance/commands/dataplane.ts';
import type { Farm, WantedDataplane } from '../../appliance/desired/wanted.ts';
import { createClock } from '../../appliance/host/clock.ts';
import { createExec } from '../../appliance/host/exec.ts';
import { createNet } from '../../appliance/host/net.ts';
import { createRandom } from '../../appliance/host/random.ts';
import { createRedirector, type Redirector } from '../../appliance/redirector/redirector.ts';
import { address, type Mac } from '../../sdk/wire/address.ts';
import { Cell, farm, inside, VIP, VIP6, wanted } from '../support/dataplane.ts';
import { poll } from '../support/netns.ts';
import { directory } from '../unit/responder/support.ts';

const WEB = `require('http').createServer((q, a) => {
  let body = '';
  q.on('data', d => body += d).on('end', () => a.end(process.argv[1] + ' ' + q.method + ' ' + q.url + ' ' + body));
}).listen(8080, '::', () => console.log('ready'));`;

const cell = new Cell();
let redirector: Redirector;
let driver: ReturnType<Redirector['around']>;

beforeAll(async () => {
  for (const last of [11, 12]) {
    const namespace = cell.network.namespace(`web${last}`);
    cell.network.plug(cell.lan, {
      in: namespace,
      name: 'eth0',
      addresses: [`10.1.0.${last}/24`, `fd01::${last}/64`],
    });
    namespace.ipBatch(['route add default via 10.1.0.1', 'route add default via fd01::1']);
    const web = namespace.node(WEB, [`web${last}`]);
    await poll(() => web.stdout().includes('ready'), 30_000, 'the web server');
  }
  const host = { clock: createClock(), exec: createExec(), log: () => {} };
  const addresses = ['10.1.0.1', 'fd01::1'].map(own => ({ address: address(own), length: 24 }));
  const links = [{ name: 'lan', index: 2, mac: '02:00:00:00:00:01' as Mac, up: true, mtu: 1500, addresses }];
  redirector = createRedirector({
    ...{ ...host, net: createNet(), random: createRandom(), onMoved: () => {} },
    links: { list: () => links, open: () => ({ send() {}, close() {} }) },
  });
  driver = redirector.around(cell.appliance.within(() => openNftables(host)));
});
afterEach(() => apply());
afterAll(async () => {
  redirector.close();
  await cell.dispose();
});

let before: WantedDataplane['farms'] = wanted([]).farms;
async function apply(...farms: Farm[]): Promise<void> {
  let table = before;
  for (const key of before.keys()) table = table.without(key);
  for (const each of farms) table = table.with(each.key, each);
  before = table;
  const { problems, reached } = await inside(cell.appliance, () =>
    driver.apply({ ...wanted([]), farms: table }),
  );
  expect(problems).toEqual([]);
  for (const { key, members } of farms) expect(reached.get(key)).toBe(members.length);
}

const redirect = (rest: Partial<Farm> = {}): Farm =>
  farm(
    [
      { at: '10.1.0.11', port: 8080 },
      { at: '10.1.0.12', port: 8080 },
    ],
    { mode: 'redirect', ...rest },
  );
const curl = async (...words: string[]): Promise<string> => {
  const { status, stdout, stderr } = await cell.client.run('curl', ['-sS', '-m', '25', ...words]);
  if (status !== 0) throw new Error(stderr);
  return stdout;
};

test('a client follows to the best server: method, body, path and query kept', async () => {
  redirector.setDirectory(
    directory({ [VIP]: { '10.1.0.11': ['tcp/8080 http www 100'], '10.1.0.12': ['tcp/8080 http www 900'] } }),
  );
  await apply(redirect());
  const head = await curl('-i', `http://${VIP}/a?b=c`);
  expect(head).toMatch(/^HTTP\/1\.1 307 /);
  expect(head).toContain('Location: http://10.1.0.12:8080/a?b=c\r\n');
  expect(await curl('-L', `http://${VIP}/a?b=c`)).toBe('web12 GET /a?b=c ');
  expect(await curl('-L', '-d', 'x=1', `http://${VIP}/form`)).toBe('web12 POST /form x=1');
  expect(await curl('-I', `http://${VIP}/`)).toMatch(/^HTTP\/1\.1 307 /);
});

test('a body that nobody wants is no reason for a reset, which could overtake the answer', async () => {
  await apply(redirect());
  const said = await inside(cell.client, () => {
    const socket = connect({ host: VIP, port: 80 });
    socket.write('POST / HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n');
    socket.write(new Uint8Array(4_000_000));
    return new Promise<string>((resolve, reject) => {
      let text = '';
      socket.on('data', data => (text += data.toString()));
      socket.on('error', reject).on('close', () => resolve(text));
    });
  });
  expect(said).toMatch(/^HTTP\/1\.1 307 /);
});

test('equals share the clients', async () => {
  redirector.setDirectory(directory({}));
  await apply(redirect());
  const answers = await curl('-L', ...Array.from({ length: 40 }, () => `http://${VIP}/`));
  expect(answers.split('web11').length).toBeGreaterThan(5);
  expect(answers.split('web12').length).toBeGreaterThan(5);
});

test('IPv6', async () => {
  const members = [{ at: 'fd01::11', port: 8080 }];
  await apply(farm(members, { mode: 'redirect', vip: VIP6 }));
  expect(await curl('-i', `http://[${VIP6}]/x`)).toContain('Location: http://[fd01::11]:8080/x\r\n');
  expect(await curl('-L', `http://[${VIP6}]/x`)).toBe('web11 GET /x ');
});

test('nobody who accepts: 503', async () => {
  await apply(redirect({ members: redirect().members.map(member => ({ ...member, accepts: false })) }));
  expect(await curl('-i', `http://${VIP}/`)).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After/);
});

test('nonsense is answered 400, and sixty connections on which nothing is said keep nobody out', async () => {
  await apply(redirect());
  expect(await curl('-i', '-X', 'A B', `http://${VIP}/`)).toMatch(/^HTTP\/1\.1 400 /);
  const idle = await inside(cell.client, async () => {
    const sockets = Array.from({ length: 60 }, () => connect({ host: VIP, port: 80 }).on('error', () => {}));
    await poll(() => sockets.every(socket => !socket.connecting), 30_000, 'they are connected');
    return sockets;
  });
  expect(await curl('-L', `http://${VIP}/`)).toMatch(/^web1/);
  for (const socket of idle) socket.destroy();
});

test('a farm that goes: its VIP is refused, and so is the listener', async () => {
  await apply(redirect());
  await apply();
  expect(await curl('-m', '1', `http://${VIP}/`).catch(String)).toMatch(/Error/);
  expect(await poll(() => cell.appliance.runSync('ss', ['-Htln']) === '', undefined, 'nobody listens')).toBe(
    true,
  );
});
