/**
 * The vty socket of an FRR daemon, as vtysh speaks it: a command and NUL go in, text comes back and ends with three NULs and the
 * command's status (FRR lib/vty.c, vtysh_flush).
 */
import { connect } from 'node:net';
import type { Millis, OpenVty, VtyReply } from './ports.ts';

/** A whole link-state database as JSON, with 10,000 external LSAs, is about 5 MB. */
const REPLY_LIMIT = 64 * 1024 * 1024;
const CONNECT_LIMIT: Millis = 2_000;
const REPLY_TIME: Millis = 10_000;
const TERMINATOR = 4;

interface Waiting {
  readonly resolve: (reply: VtyReply) => void;
  readonly reject: (error: Error) => void;
}

/** Connects to the socket at `path`. `onClose` comes once, when the connection that was made ends. */
export const openVty: OpenVty = (path, onClose) =>
  new Promise((resolve, reject) => {
    const socket = connect(path);
    const waiting: Waiting[] = [];
    let chunks: Buffer[] = [];
    let size = 0;
    let open = false;
    let failure = `${path}: closed by the daemon`;

    const fail = (reason: string): void => {
      failure = reason;
      socket.destroy();
    };
    const connecting = setTimeout(() => fail(`${path}: no connection in ${CONNECT_LIMIT} ms`), CONNECT_LIMIT);
    // Node's own idle timer: nothing came for so long while a reply was due.
    socket.setTimeout(REPLY_TIME, () => {
      if (waiting.length > 0) fail(`${path}: no reply in ${REPLY_TIME} ms`);
    });

    const settle = (): void => {
      let bytes = Buffer.concat(chunks, size);
      for (let end = endOf(bytes); end >= 0 && waiting.length > 0; end = endOf(bytes)) {
        waiting.shift()!.resolve({ text: bytes.toString('utf8', 0, end), status: bytes[end + 3]! });
        bytes = bytes.subarray(end + TERMINATOR);
      }
      chunks = bytes.length === 0 ? [] : [bytes];
      size = bytes.length;
    };

    socket.on('data', (bytes: Buffer) => {
      chunks.push(bytes);
      size += bytes.length;
      if (size > REPLY_LIMIT) fail(`${path}: a reply of more than ${REPLY_LIMIT} bytes`);
      // The status may be any byte, so only the NULs before it tell; they can be split over two chunks.
      else if (bytes.includes(0) || bytes.length < TERMINATOR) settle();
    });
    socket.on('error', error => {
      failure = `${path}: ${error.message}`;
    });
    socket.once('connect', () => {
      clearTimeout(connecting);
      open = true;
      resolve({
        command: text =>
          new Promise((answer, refuse) => {
            if (!open) return refuse(new Error(failure));
            if (/[\0\n\r]/.test(text)) return refuse(new Error('a vty command is one line'));
            waiting.push({ resolve: answer, reject: refuse });
            return void socket.write(`${text}\0`);
          }),
        close: () => socket.destroy(),
      });
    });
    socket.once('close', () => {
      clearTimeout(connecting);
      const error = new Error(failure);
      for (const one of waiting.splice(0)) one.reject(error);
      if (!open) return reject(error);
      open = false;
      return onClose(failure);
    });
  });

/** Where the terminator begins, or -1 while it is not whole. */
function endOf(bytes: Buffer): number {
  const end = bytes.indexOf('\0\0\0', 0, 'latin1');
  return end >= 0 && end + TERMINATOR <= bytes.length ? end : -1;
}
