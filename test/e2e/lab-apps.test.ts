/** The lab's applications, over the reference network without any manager: what the scenarios measure with must itself be right. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../labs/runner/lab.ts';
import type { Running } from '../../labs/runner/process.ts';
import { poll } from '../../labs/scenario/poll.ts';
import { parseTopology } from '../../labs/topology/parse.ts';

const ROOT = new URL('../..', import.meta.url).pathname.replace(/\/$/, '');
const scratch = mkdtempSync(join(tmpdir(), 'bivouac-apps-test-'));

/** A client and a server on one link. */
const TOPOLOGY = `name: apps
topology:
  defaults:
    kind: linux
    image: bivouac:latest
    binds: [ "${ROOT}/labs/nodes/start.sh:/lab/start.sh:ro", "${ROOT}/dist/apps:/lab/apps:ro" ]
  nodes:
    client: { exec: [ "ip address add 192.0.2.1/24 dev eth1" ] }
    web:
      env: { SERVICE: web }
      cmd: /lab/start.sh service
      exec: [ "ip address add 192.0.2.2/24 dev eth1" ]
    mcu:
      env: { SERVICE: mcu }
      cmd: /lab/start.sh service
      exec: [ "ip address add 192.0.2.3/24 dev eth1" ]
    switch: { kind: bridge }
  links:
    - endpoints: [ "client:eth1", "switch:p1" ]
    - endpoints: [ "web:eth1", "switch:p2" ]
    - endpoints: [ "mcu:eth1", "switch:p3" ]
`;
let lab: Lab;

beforeAll(async () => {
  const file = join(scratch, 'apps.yml');
  writeFileSync(file, TOPOLOGY);
  lab = await Lab.up(parseTopology(file, readFileSync(file, 'utf8')), {
    id: `apps-${process.pid}`,
    root: ROOT,
  });
  await poll('both services listen', async () => {
    const [web, mcu] = await Promise.all(
      [
        ['192.0.2.2', '80'],
        ['192.0.2.3', '1720'],
      ].map(([address, port]) => client('bash', '-c', `exec 3<>/dev/tcp/${address}/${port}`)),
    );
    return web?.status === 0 && mcu?.status === 0;
  });
});
afterAll(async () => {
  await lab.down();
  rmSync(scratch, { recursive: true });
});

const client = (...command: string[]) => lab.node('client').exec(command);

test('a call is answered, and its media come back', async () => {
  const { stdout, stderr } = await client('node', '/lab/apps/caller.mjs', '--to', '192.0.2.3', '--ms', '400');
  expect(stderr).toBe('');
  const call = JSON.parse(stdout) as { server: string; sent: number; returned: number; mediaPort: number };
  expect(call).toMatchObject({ server: 'mcu', sent: 20, returned: 20 });
  expect(call.mediaPort).toBeGreaterThan(1023);
});

test('a call to nobody fails with the reason', async () => {
  const { status, stderr } = await client('node', '/lab/apps/caller.mjs', '--to', '192.0.2.2:81');
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: 'caller: connect ECONNREFUSED 192.0.2.2:81 (ECONNREFUSED)\n',
  });
});

test.each(['http', 'udp'])('an interruption is seen by a client that asks by %s', async via => {
  const asking = lab
    .node('client')
    .spawn(['node', '/lab/apps/stream.mjs', '--to', '192.0.2.2', '--via', via]);
  expect(JSON.parse((await asking.line()) ?? '')).toEqual({ event: 'first-answer', server: 'web' });
  const web = lab.node('web');
  await web.must(['ip', 'link', 'set', 'eth1', 'down']);
  await new Promise(resolve => setTimeout(resolve, 300));
  await web.must(['ip', 'link', 'set', 'eth1', 'up']);
  await new Promise(resolve => setTimeout(resolve, 4000));
  asking.kill('SIGTERM');
  const end = JSON.parse((await asking.line()) ?? '') as {
    answered: number;
    servers: Record<string, number>;
    longestGap: { ms: number; from: string; to: string };
  };
  expect(end.longestGap.ms).toBeGreaterThan(290);
  expect(end.longestGap).toMatchObject({ from: 'web', to: 'web' });
  expect(end.servers).toEqual({ web: end.answered });
});

/** The last line; before it each connection that was lost has one of its own. */
async function untilEnd(flows: Running): Promise<object> {
  for (;;) {
    const said = JSON.parse((await flows.line()) ?? '{"event":"end"}') as { readonly event: string };
    if (said.event === 'end') return said;
  }
}

test('flows that live, and flows that are cut', async () => {
  const flows = lab
    .node('client')
    .spawn(['node', '/lab/apps/flows.mjs', '--to', '192.0.2.2', '--count', '50', '--interval', '20']);
  expect(JSON.parse((await flows.line()) ?? '')).toMatchObject({
    ...{ event: 'established', flows: 50, alive: 50, lost: {} },
    servers: { web: 50 },
  });
  await lab.node('web').must(['sh', '-c', 'kill -KILL "$(cat /run/service.pid)"']);
  // One line each.
  for (let lost = 0; lost < 50; lost++)
    expect(JSON.parse((await flows.line()) ?? '')).toMatchObject({ event: 'lost' });
  flows.kill('SIGTERM');
  const end = (await untilEnd(flows)) as { alive: number; lost: Record<string, number> };
  expect(end.alive).toBe(0);
  expect(Object.values(end.lost).reduce((sum, count) => sum + count, 0)).toBe(50);
  // For the other tests.
  await lab.node('web').boot();
  await poll('the web server is back', async () => {
    const { status } = await client('bash', '-c', 'exec 3<>/dev/tcp/192.0.2.2/80');
    return status === 0;
  });
});

test('a flow that lives is compared byte by byte: all of it comes back, or what does not is counted', async () => {
  const run = async (port: number) => {
    const words = ['--to', `192.0.2.2:${port}`, '--count', '1', '--interval', '5', '--size', '300'];
    const flows = lab.node('client').spawn(['node', '/lab/apps/flows.mjs', ...words]);
    await flows.line();
    await new Promise(resolve => setTimeout(resolve, 1000));
    flows.kill('SIGTERM');
    return (await untilEnd(flows)) as Record<'sent' | 'returned' | 'wrong' | 'bytes', number>;
  };
  const good = await run(7);
  expect(good.sent).toBeGreaterThan(10);
  expect(good).toMatchObject({ returned: good.sent, wrong: 0, bytes: good.sent * 301 });

  // The fifth line comes back with one letter that was not sent, the seventh not at all.
  const forger = `let n = 0; require('net').createServer(s => s.on('data', d => {
    for (const line of String(d).split('\\n').slice(0, -1))
      if (++n !== 7) s.write('forger ' + (n === 5 ? line.slice(0, -1) + '!' : line) + '\\n');
  })).listen(9)`;
  const server = lab.node('web').spawn(['node', '-e', forger]);
  await poll('the forger listens', async () => {
    const { status } = await client('bash', '-c', 'exec 3<>/dev/tcp/192.0.2.2/9');
    return status === 0;
  });
  const bad = await run(9);
  await server.stop();
  expect(bad.sent - bad.returned).toBe(1);
  // From the lost line on, none is the next one.
  expect(bad.wrong).toBe(bad.returned - 5);
});
