/**
 * How a test asks a program in its guest: lines of JSON over a virtio-serial port, `{ id, name, args }` there and `{ id, value }` or
 * `{ id, error }` back. `serve` is the guest's end, `GuestChannel` the test's.
 */
import { createReadStream, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const PORT = 'bivouac';

export class GuestChannel {
  private readonly socket: Socket;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private next = 1;

  /** `path`: GuestOptions.channel. Resolves when QEMU listens there. */
  static async open(path: string, timeout = 30_000): Promise<GuestChannel> {
    const end = performance.now() + timeout;
    for (;;) {
      const socket = connect(path);
      const opened = await new Promise<boolean>(resolve =>
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
      );
      if (opened) return new GuestChannel(socket);
      if (performance.now() > end) throw new Error(`QEMU does not listen at ${path}`);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const answer = parse(line) as Answer | undefined;
        if (answer !== undefined) this.waiting.get(answer.id)?.(answer);
      }
    });
    socket.on('close', () => {
      for (const [id, settle] of this.waiting) settle({ id, error: 'the guest is gone' });
    });
  }

  /** Asks, and gives the value; rejects with the guest's error, or when it says nothing within `timeout` ms. */
  ask(name: string, args: unknown, timeout: number): Promise<unknown> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => settle({ id, error: `the guest did not answer within ${timeout} ms` }),
        timeout,
      );
      const settle = ({ value, error }: Answer): void => {
        clearTimeout(timer);
        this.waiting.delete(id);
        if (error === undefined) resolve(value);
        else reject(new Error(`${name}: ${error}`));
      };
      this.waiting.set(id, settle);
      this.socket.write(`${JSON.stringify({ id, name, args })}\n`);
    });
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Answers, in the guest, one at a time, for as long as that runs; `hello` by itself. */
export async function serve(
  handlers: Readonly<Record<string, (args: never) => unknown>>,
  devices = '/sys/class/virtio-ports',
): Promise<void> {
  const port = readdirSync(devices).find(
    name => readFileSync(`${devices}/${name}/name`, 'utf8').trim() === PORT,
  );
  if (port === undefined) throw new Error(`this guest has no virtio-serial port '${PORT}'`);
  const out = openSync(`/dev/${port}`, 'r+');
  const answer = (message: Answer): void => {
    const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
    for (let at = 0; at < bytes.length; ) at += writeSync(out, bytes, at);
  };
  const lines = createInterface({ input: createReadStream('', { fd: out, autoClose: false }) });
  for await (const line of lines) {
    const { id, name, args } = parse(line) as { id: number; name: string; args: unknown };
    try {
      answer({ id, value: name === 'hello' ? 'ready' : ((await handlers[name]!(args as never)) ?? null) });
    } catch (error) {
      answer({ id, error: (error as Error).stack ?? String(error) });
    }
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
