import { describe, expect, it } from 'vitest';
import { createIpBatch } from '../../../appliance/routing/ip-batch.ts';
import { VirtualClock } from '../../support/virtual/clock.ts';
import { ScriptedExec } from '../../support/virtual/exec.ts';

const marker = (line: number): string =>
  `Object "bivouac-end-of-batch" is unknown, try "ip help".\nCommand failed -:${line}\n`;

function start() {
  const exec = new ScriptedExec(new VirtualClock());
  return { exec, batch: createIpBatch(exec), process: () => exec.processes.at(-1)! };
}

describe('ip -batch', () => {
  it('starts one process for many batches', async () => {
    const { exec, batch, process } = start();
    const first = batch.run(['route add a', 'route add b']);
    const second = batch.run(['route add c']);
    expect(process().args).toEqual(['-force', '-batch', '-']);
    expect(process().written).toBe(
      'route add a\nroute add b\nbivouac-end-of-batch\nroute add c\nbivouac-end-of-batch\n',
    );
    process().output(marker(3) + marker(5), 'stderr');
    expect(await first).toEqual([]);
    expect(await second).toEqual([]);
    expect(exec.processes.length).toBe(1);
  });

  it('says which line was refused, and why, wherever the output is cut', async () => {
    const text = `RTNETLINK answers: File exists\nCommand failed -:2\n${marker(4)}`;
    for (let cut = 0; cut <= text.length; cut++) {
      const { batch, process } = start();
      const done = batch.run(['a', 'b', 'c']);
      process().output(text.slice(0, cut), 'stderr');
      process().output('chatter on stdout, Command failed -:1\n', 'stdout');
      process().output(text.slice(cut), 'stderr');
      expect(await done).toEqual([{ index: 1, reason: 'RTNETLINK answers: File exists' }]);
    }
  });

  it('counts lines over batches', async () => {
    const { batch, process } = start();
    const first = batch.run(['a']);
    const second = batch.run(['b', 'c']);
    process().output(`${marker(2)}no\nCommand failed -:4\n${marker(5)}`, 'stderr');
    expect(await first).toEqual([]);
    expect(await second).toEqual([{ index: 1, reason: 'no' }]);
  });

  it('fails what was under way when the process dies, and starts another for the next', async () => {
    const { exec, batch, process } = start();
    const lost = batch.run(['a']);
    process().output('Cannot open netlink socket', 'stderr');
    process().exit(1);
    await expect(lost).rejects.toThrow('ip -batch ended with status 1: Cannot open netlink socket');
    const next = batch.run(['b']);
    expect(exec.processes.length).toBe(2);
    process().output(marker(2), 'stderr');
    expect(await next).toEqual([]);
  });

  it('starts nothing for nothing', async () => {
    const { exec, batch } = start();
    expect(await batch.run([])).toEqual([]);
    batch.close();
    expect(exec.processes).toEqual([]);
  });
});
