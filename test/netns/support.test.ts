import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Network, poll } from '../support/netns.ts';

test('a network carries traffic between its namespaces, and dispose() leaves nothing', async () => {
  const network = new Network();
  let names: string[] = [];
  let pid = 0;
  try {
    const [client, server] = [network.namespace('client'), network.namespace('server')];
    const lan = network.lan(
      'lan',
      { in: client, name: 'eth0', addresses: ['10.0.0.2/24', 'fd00::2/64'] },
      { in: server, name: 'eth0', addresses: ['10.0.0.1/24', 'fd00::1/64'] },
    );
    names = [client, server, lan].map(namespace => namespace.name);
    expect((await client.run('ping', ['-c1', '-W20', '10.0.0.1'])).status).toBe(0);
    expect((await client.run('ping', ['-c1', '-W20', 'fd00::1'])).status).toBe(0);
    const echo = server.node('require("net").createServer(s=>s.pipe(s)).listen(7,()=>console.log("ready"))');
    await poll(() => echo.stdout().includes('ready'));
    pid = echo.pid;
    const talk = client.node(
      'require("net").connect(7,"10.0.0.1").on("data",d=>{console.log(""+d);process.exit()}).write("hello")',
    );
    expect(await talk.exited).toBe(0);
    expect(talk.stdout()).toContain('hello');
    expect(client.within(() => server.ip('-br addr'))).toContain('10.0.0.1/24');
    expect((await client.run('false')).status).toBe(1);
  } finally {
    await network.dispose();
  }
  for (const name of names) expect(existsSync(`/run/netns/${name}`)).toBe(false);
  await poll(() => !existsSync(`/proc/${pid}`));
});

test('a command that fails says why', async () => {
  const network = new Network();
  try {
    expect(() => network.namespace('a').ip('route add 10.9.0.0/24 dev nowhere')).toThrow(/nowhere/);
  } finally {
    await network.dispose();
  }
});
