/**
 * What only one process of a network namespace may have: a name among its abstract UNIX sockets (unix(7)), which the kernel gives back
 * whatever way the process ends.
 */
import { createServer } from 'node:net';

/** Claims `name`, such as `manager`. Rejects, saying who cannot run beside whom, when a live process has it. */
export function claim(name: string): Promise<{ close(): void }> {
  const server = createServer(socket => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(
              `another ${name} runs in this network namespace: stop it first (systemctl status bivouac)`,
            )
          : error,
      ),
    );
    server.listen(`\0bivouac-${name}`, () => resolve({ close: () => void server.close() }));
  });
}
