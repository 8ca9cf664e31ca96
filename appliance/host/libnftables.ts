/**
 * nf_tables by libnftables within this process (koffi), a millisecond where a spawned `nft` takes twenty; and by the program where the
 * library cannot be loaded. The library keeps its netlink socket, so it acts in the network namespace where it was opened.
 */
import koffi from 'koffi';
import type { Exec } from './ports.ts';

export interface NftResult {
  readonly ok: boolean;
  readonly output: string;
  readonly error: string;
}

export interface Nft {
  /** Runs commands as one atomic transaction. */
  run(commands: string): Promise<NftResult>;
  /** A listing's parsed JSON, or undefined when it failed. */
  json(command: string): Promise<unknown>;
  close(): void;
}

/** libnftables/libnftables.h */
const OUTPUT_JSON = 1 << 4;
/** Longer texts run on another thread: their milliseconds are not the event loop's to lose. */
const LONG = 16_384;

type Native = ReturnType<ReturnType<typeof koffi.load>['func']>;
type Context = { readonly __brand: 'nft_ctx' };

interface Library {
  readonly run: Native;
  readonly setFlags: (context: Context, flags: number) => void;
  readonly output: (context: Context) => string;
  readonly error: (context: Context) => string;
  readonly free: (context: Context) => void;
  readonly context: Context;
}

/** The fastest way there is; `reason` says why the library is not it. */
export function openNft(exec: Exec): { readonly nft: Nft; readonly reason?: string } {
  try {
    return { nft: libraryNft(load()) };
  } catch (error) {
    return { nft: spawnedNft(exec), reason: `libnftables: ${(error as Error).message}` };
  }
}

function load(): Library {
  const library = koffi.load('libnftables.so.1');
  const call = (prototype: string): Native => library.func(prototype);
  const context = call('void *nft_ctx_new(uint32_t flags)')(0) as Context | null;
  if (context === null) throw new Error('no context (is CAP_NET_ADMIN there?)');
  call('int nft_ctx_buffer_output(void *ctx)')(context);
  call('int nft_ctx_buffer_error(void *ctx)')(context);
  return {
    context,
    run: call('int nft_run_cmd_from_buffer(void *ctx, const char *buf)'),
    setFlags: call('void nft_ctx_output_set_flags(void *ctx, unsigned int flags)') as never,
    output: call('const char *nft_ctx_get_output_buffer(void *ctx)') as never,
    error: call('const char *nft_ctx_get_error_buffer(void *ctx)') as never,
    free: call('void nft_ctx_free(void *ctx)') as never,
  };
}

function libraryNft(library: Library): Nft {
  const { context } = library;
  const run = async (commands: string, flags: number): Promise<NftResult> => {
    library.setFlags(context, flags);
    const status =
      commands.length < LONG
        ? (library.run(context, commands) as number)
        : await new Promise<number>((resolve, reject) =>
            library.run.async(context, commands, (error: unknown, result: number) =>
              error ? reject(error) : resolve(result),
            ),
          );
    return { ok: status === 0, output: library.output(context), error: library.error(context).trim() };
  };
  return {
    run: commands => run(commands, 0),
    json: async command => parse(await run(command, OUTPUT_JSON)),
    close: () => library.free(context),
  };
}

/** By the program `nft`, a process for each call. */
export function spawnedNft(exec: Exec): Nft {
  const run = async (args: readonly string[], input: string): Promise<NftResult> => {
    const { status, stdout, stderr } = await exec.run('nft', args, { input, timeout: 60_000 });
    return { ok: status === 0, output: stdout, error: stderr.trim() };
  };
  return {
    run: commands => run(['-f', '-'], commands),
    json: async command => parse(await run(['-j', ...command.split(' ')], '')),
    close: () => {},
  };
}

function parse(result: NftResult): unknown {
  if (!result.ok) return undefined;
  try {
    return JSON.parse(result.output) as unknown;
  } catch {
    return undefined;
  }
}
