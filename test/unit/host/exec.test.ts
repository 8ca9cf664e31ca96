import { describe, expect, it } from 'vitest';
import { createExec } from '../../../appliance/host/exec.ts';

const exec = createExec();
const shell = (script: string, options: Parameters<typeof exec.run>[2] = {}) =>
  exec.run('/bin/sh', ['-c', script], options);

describe('run', () => {
  it('gives status and output, takes input, and passes on only the environment that is named', async () => {
    process.env['BIVOUAC_TEST_SECRET'] = 'x';
    const result = await shell('cat; echo "$A $BIVOUAC_TEST_SECRET" >&2; exit 3', {
      input: 'in',
      env: { A: '1' },
    });
    expect(result).toEqual({ status: 3, stdout: 'in', stderr: '1 \n' });
  });

  it('rejects what cannot be started, and says what', async () => {
    await expect(exec.run('/absent/program', [])).rejects.toThrow('cannot start /absent/program');
  });

  it('ends a program and its children when the time is up', async () => {
    const before = performance.now();
    const result = await shell('sleep 60 & sleep 60', { timeout: 100 });
    expect(result.status).toBe(-1);
    expect(performance.now() - before).toBeLessThan(50_000);
  });

  it('keeps a mebibyte of what it says, and reads the rest', async () => {
    const { status, stdout } = await shell('head -c 3000000 /dev/zero');
    expect([status, stdout.length]).toEqual([0, 1024 * 1024]);
  });

  it('does not wait for a child that was left behind with the pipes', async () => {
    const before = performance.now();
    const result = await shell('echo done; sleep 30 & exit 0');
    expect(result).toMatchObject({ status: 0, stdout: 'done\n' });
    expect(performance.now() - before).toBeLessThan(25_000);
  });

  it('survives a program that does not read its input', async () => {
    expect((await shell('exit 0', { input: 'x'.repeat(1_000_000) })).status).toBe(0);
  });
});

describe('start', () => {
  it('feeds lines, hands out what comes, and tells the exit once', async () => {
    const heard: string[] = [];
    const status = await new Promise<number>(resolve => {
      const program = exec.start(
        '/bin/sh',
        ['-c', 'read line; echo "got $line"; echo oops >&2; read rest; exit 4'],
        (text, stream) => {
          heard.push(`${stream}: ${text}`);
          if (heard.length === 2) program.close();
        },
        resolve,
      );
      program.write('hello\n');
    });
    expect(heard.sort()).toEqual(['stderr: oops\n', 'stdout: got hello\n']);
    expect(status).toBe(4);
  });

  it('tells by its exit that it could not be started, and takes writes all the same', async () => {
    let said = '';
    const status = await new Promise<number>(resolve => {
      const program = exec.start(
        '/absent/program',
        [],
        text => {
          said += text;
        },
        resolve,
      );
      program.write('x');
      program.close();
    });
    expect(status).toBe(-1);
    expect(said).toMatch('cannot start /absent/program');
  });
});
