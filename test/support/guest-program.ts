/**
 * A guest with this host's files that runs one program of the tests, and answers what it is asked. Its clock counts instructions: on a machine that has
 * much else to do everything in it but the reading of files takes as long as ever by its own clock, and no limit of time in it is reached for that.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guest } from './guest.ts';
import { GuestChannel } from './guest-channel.ts';
import { hostSystem } from './guest-system.ts';

/** ms; a machine with much else to do takes long to boot an emulated one. */
const BOOT = 220_000;
const BOOTS = 2;
/** ms after which it is ended, whatever it does. */
const LIFETIME = 7_200_000;

export interface GuestProgram {
  /** Asks the program; rejects with what went wrong in the guest, and the end of its console if it does not answer. */
  ask(name: string, args: unknown, timeout?: number): Promise<unknown>;
  /** What the guest's console shows. */
  console(): string;
  stop(): Promise<void>;
}

/** Boots a guest that runs a bundle, and waits until it answers. `onStop`: when it has ended. */
export async function bootGuestProgram(
  program: string,
  onStop: () => void = () => {},
): Promise<GuestProgram> {
  for (let boots = 1; ; boots++) {
    try {
      return await boot(program, onStop);
    } catch (error) {
      if (boots === BOOTS) {
        onStop();
        throw error;
      }
      console.warn(`a guest did not start, and is started again: ${(error as Error).message}`);
    }
  }
}

async function boot(program: string, onStop: () => void): Promise<GuestProgram> {
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-guest-'));
  const channelPath = join(directory, 'channel');
  const guest = new Guest({
    ...hostSystem(directory, program),
    ...{ clock: 'instructions', lifetime: LIFETIME, channel: channelPath },
  });
  const dispose = async (): Promise<void> => {
    await guest.kill();
    rmSync(directory, { recursive: true, force: true });
  };
  let channel: GuestChannel;
  const ask: GuestProgram['ask'] = async (name, args, timeout = 280_000) => {
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
      onStop();
    },
  };
}
