/** A guest with this host's files that runs one program of the tests, and answers what it is asked. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { Guest } from './guest.ts';
import { GuestChannel } from './guest-channel.ts';
import { hostSystem } from './guest-system.ts';

const root = resolve(import.meta.dirname, '../..');
/** Below the repository, so that the program finds its packages. */
const PROGRAMS = join(root, 'node_modules/.cache/bivouac-guest-programs');

/** ms; a machine with much else to do takes long to boot an emulated one. */
const BOOT = 240_000;

export interface GuestProgram {
  /** Asks the program; rejects with what went wrong in the guest, and the end of its console if it does not answer. */
  ask(name: string, args: unknown, timeout?: number): Promise<unknown>;
  /** What the guest's console shows. */
  console(): string;
  stop(): Promise<void>;
}

/** Boots a guest and waits until its program, a source file of the repository, answers. */
export async function startGuestProgram(source: string): Promise<GuestProgram> {
  mkdirSync(PROGRAMS, { recursive: true });
  const program = join(PROGRAMS, `${basename(source, '.ts')}-${process.pid}.mjs`);
  const options = { bundle: true, platform: 'node', format: 'esm', target: 'node20' } as const;
  await build({
    ...options,
    entryPoints: [join(root, source)],
    outfile: program,
    packages: 'external',
    logLevel: 'silent',
    sourcemap: 'inline',
  });
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-guest-'));
  const channelPath = join(directory, 'channel');
  const guest = new Guest({ ...hostSystem(directory, program), channel: channelPath });
  const dispose = async (): Promise<void> => {
    await guest.kill();
    rmSync(directory, { recursive: true, force: true });
    rmSync(program, { force: true });
  };
  let channel: GuestChannel;
  const ask: GuestProgram['ask'] = async (name, args, timeout = 120_000) => {
    try {
      return await channel.ask(name, args, timeout);
    } catch (error) {
      const { message } = error as Error;
      throw new Error(/did not answer|is gone/.test(message) ? `${message}\n${guest.last()}` : message);
    }
  };
  try {
    channel = await GuestChannel.open(channelPath);
    await ask('hello', null, BOOT);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    ask,
    console: () => guest.console(),
    async stop() {
      channel.close();
      await dispose();
    },
  };
}
