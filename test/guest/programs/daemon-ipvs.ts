/** What runs in the guest: the manager itself, with a server whose service only IPVS can carry. */
import assert from 'node:assert/strict';
import { type Daemon, DaemonCell, Server } from '../../support/daemon.ts';
import { inside, Talk } from '../../support/dataplane.ts';
import { serve } from '../../support/guest-channel.ts';
import { poll } from '../../support/netns.ts';

/** ms; emulation is slow to start a program. */
const LONG = 120_000;

const cell = new DaemonCell();
let daemon: Daemon;
const servers: Server[] = [];
const talks: Talk[] = [];

const service = (rest: object = {}): readonly object[] => [
  {
    name: 'www.mission',
    protocol: 'http',
    ports: 80,
    vip: '10.255.0.5',
    check: { kind: 'none' },
    forward: { mode: 'nat', scheduler: 'wlc' },
    ...rest,
  },
];
const ipvs = (): string => cell.appliance.runSync('ipvsadm', ['-Ln']);
const open = (): Promise<Talk> =>
  poll(
    () => inside(cell.client, () => Talk.open('10.255.0.5', 80)).catch(() => undefined),
    LONG,
    'a connection',
  );

Talk.patience = 20_000;

await serve({
  async start() {
    // What is emulated, on a machine with much else to do, may be silent for long.
    daemon = cell.daemon({ sessions: { heartbeat: 5000, grace: 60_000 } });
    await daemon.start(LONG);
    assert.ok(!ipvs().includes('10.255.0.5'));
  },
  /** Two servers register; the VIP is balanced by least connections. */
  async register() {
    for (const last of [11, 12]) {
      const server = new Server(cell.host(last), { name: `web${last}`, services: service() });
      servers.push(server);
      await server.until({ event: 'service', state: 'up' }, LONG);
    }
    await poll(() => ipvs().match(/10\.1\.0\.1[12]:80 +Masq/g)?.length === 2, LONG, 'two destinations');
    assert.match(ipvs(), /TCP +10\.255\.0\.5:80 wlc/);
    for (let at = 0; at < 4; at++) talks.push(await open());
    assert.deepEqual(talks.map(talk => talk.server).sort(), ['web11', 'web11', 'web12', 'web12']);
  },
  /** A manager that is killed and comes back takes up what the kernel carries. */
  async restart() {
    const isStored = (): Promise<boolean> =>
      daemon.stored(2).then(
        () => true,
        () => false,
      );
    await poll(isStored, LONG, 'both servers are in the stored state');
    await daemon.stop('SIGKILL');
    for (const talk of talks) assert.ok(await talk.echo('without a manager'));
    await daemon.start(LONG);
    for (const talk of talks) assert.ok(await talk.echo('with another'));
    for (const server of servers) {
      const told = server.told().length;
      await server.until({ event: 'service', state: 'up' }, LONG, told - 1);
    }
    for (const talk of talks) assert.ok(await talk.echo('registered again'));
  },
  /** A server that is killed: its clients are reset, the others go on, and new ones go to the other. */
  async die() {
    await servers[0]!.process.stop('SIGKILL');
    const [mine, others] = [
      talks.filter(talk => talk.server === 'web11'),
      talks.filter(talk => talk.server !== 'web11'),
    ];
    await poll(() => mine.every(talk => talk.ended !== undefined), LONG, 'the end of those of the dead');
    for (const talk of others) assert.ok(await talk.echo());
    await poll(() => !ipvs().includes('10.1.0.11:80'), LONG, 'the dead is out');
    assert.equal((await open()).server, 'web12');
  },
  /** What neither can carry is refused, with the reason. */
  async refuse() {
    const services = service({ vip: 'auto', ports: '1000-2000', name: 'range.mission' });
    const server = new Server(cell.host(13), { name: 'web13', services });
    const { code, sentence } = await server.until({ event: 'refused' }, LONG);
    assert.equal(code, 'unsupported-mode', String(sentence));
  },
  /** A manager that stops leaves nothing behind. */
  async stop() {
    assert.equal(await daemon.stop(), 0);
    assert.ok(!ipvs().includes('10.255.0.5'));
    assert.equal(cell.appliance.ip('route show table local proto 178'), '');
    assert.equal(cell.appliance.runSync('sysctl', ['-n', 'net.ipv4.conf.all.arp_ignore']).trim(), '0');
  },
});
