/**
 * QEMU's monitor for programs (QMP): one command after the other over a UNIX socket, each answered by a line of JSON.
 */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

type Answer = Readonly<Record<string, unknown>>;

export interface Monitor {
  /** Rejects with QEMU's own words when it refuses, and when it has ended. */
  ask(command: string, words?: object): Promise<Answer>;
  close(): void;
}

/** `path`: of a QEMU that was started with `-qmp unix:PATH,server=on,wait=off`. */
export async function openMonitor(path: string): Promise<Monitor> {
  const socket = connect(path);
  const waiting: { readonly done: (answer: Answer) => void; readonly failed: (error: Error) => void }[] = [];
  const fail = (error: Error): void => {
    for (const { failed } of waiting.splice(0)) failed(error);
  };
  socket.on('error', fail).on('close', () => fail(new Error('QEMU has ended')));
  const lines = createInterface(socket);
  // It passes the socket's errors on, which were heard already.
  lines.on('error', () => {});
  lines.on('line', line => {
    const { return: answer, error } = JSON.parse(line) as { return?: Answer; error?: { desc: string } };
    if (error !== undefined) waiting.shift()?.failed(new Error(error.desc));
    // What is neither is the greeting, or an event.
    else if (answer !== undefined) waiting.shift()?.done(answer);
  });
  const ask: Monitor['ask'] = (command, words = {}) =>
    new Promise((done, failed) => {
      waiting.push({ done, failed });
      socket.write(`${JSON.stringify({ execute: command, arguments: words })}\n`);
    });
  await ask('qmp_capabilities');
  return { ask, close: () => socket.destroy() };
}
