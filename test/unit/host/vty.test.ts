import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openVty } from '../../../appliance/host/vty.ts';

let directory: string;
let server: Server;
let path: string;
/** What the daemon does with a connection. */
let serve: (socket: Socket) => void;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bvvty-'));
  path = join(directory, 'ospfd.vty');
  server = createServer(socket => serve(socket));
  await new Promise<void>(resolve => server.listen(path, resolve));
});
afterEach(() => {
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Answers commands as FRR does, each reply written in pieces. */
const answering =
  (reply: (command: string) => string, pieces: (bytes: Buffer) => readonly Buffer[] = bytes => [bytes]) =>
  (socket: Socket): void => {
    let input = '';
    socket.setNoDelay(true).on('data', async chunk => {
      input += chunk;
      const commands = input.split('\0');
      input = commands.pop()!;
      for (const command of commands)
        for (const piece of pieces(Buffer.from(reply(command), 'latin1'))) {
          socket.write(piece);
          await new Promise(resolve => setImmediate(resolve));
        }
    });
  };

describe('openVty', () => {
  it('gives each command its own reply and status, in order', async () => {
    serve = answering(command => `you said ${command}\n\0\0\0${command === 'bogus' ? '\x02' : '\0'}`);
    const vty = await openVty(path, () => {});
    const replies = await Promise.all(['enable', 'bogus', 'end'].map(text => vty.command(text)));
    expect(replies).toEqual([
      { text: 'you said enable\n', status: 0 },
      { text: 'you said bogus\n', status: 2 },
      { text: 'you said end\n', status: 0 },
    ]);
    vty.close();
  });

  it('puts a reply together wherever it is cut', async () => {
    const reply = 'ab\0\0\0\x0d';
    for (let cut = 0; cut <= reply.length; cut++) {
      serve = answering(
        () => reply,
        bytes => [bytes.subarray(0, cut), bytes.subarray(cut)].filter(piece => piece.length > 0),
      );
      const vty = await openVty(path, () => {});
      expect(await vty.command('x')).toEqual({ text: 'ab', status: 13 });
      expect(await vty.command('y')).toEqual({ text: 'ab', status: 13 });
      vty.close();
    }
  });

  it('gives empty replies, and long ones whole', async () => {
    const long = 'x'.repeat(300_000);
    serve = answering(command => `${command === 'long' ? long : ''}\0\0\0\0`);
    const vty = await openVty(path, () => {});
    expect(await vty.command('short')).toEqual({ text: '', status: 0 });
    expect((await vty.command('long')).text.length).toBe(300_000);
    vty.close();
  });

  it('fails what was asked when the daemon goes, once and for all', async () => {
    serve = socket => void socket.once('data', () => socket.destroy());
    const closed: string[] = [];
    const vty = await openVty(path, reason => void closed.push(reason));
    await expect(vty.command('show version')).rejects.toThrow('ospfd.vty: closed by the daemon');
    await expect(vty.command('again')).rejects.toThrow('closed by the daemon');
    expect(closed.length).toBe(1);
  });

  it('refuses a command that is more than one', async () => {
    serve = answering(() => '\0\0\0\0');
    const vty = await openVty(path, () => {});
    await expect(vty.command('exit\nrouter bgp 1')).rejects.toThrow('one line');
    await expect(vty.command('exit\0router bgp 1')).rejects.toThrow('one line');
    vty.close();
  });

  it('says when nobody listens', async () => {
    await expect(openVty(join(directory, 'none.vty'), () => {})).rejects.toThrow(/none\.vty: connect ENOENT/);
  });
});
