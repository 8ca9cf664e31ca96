/**
 * What a session says within one turn of the event loop, sent as one piece: an answer to a request is often followed by news, and a
 * system call costs more than all of their bytes.
 */
import type { Stream } from '../host/ports.ts';

export class Outbox {
  private readonly stream: Stream;
  private parts: Uint8Array[] | undefined;
  private bytes = 0;

  constructor(stream: Stream) {
    this.stream = stream;
  }

  /** Takes a message; true when it is the first since the last `flush`, which the caller then sees to. */
  put(message: Uint8Array): boolean {
    this.bytes += message.length;
    if (this.parts === undefined) this.parts = [message];
    else this.parts.push(message);
    return this.parts.length === 1;
  }

  /** Bytes that the kernel has not taken yet. */
  get pending(): number {
    return this.bytes + this.stream.pending;
  }

  flush(): void {
    const { parts } = this;
    if (parts === undefined) return;
    this.parts = undefined;
    const whole = parts.length === 1 ? parts[0]! : join(parts, this.bytes);
    this.bytes = 0;
    this.stream.write(whole);
  }
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
