/** The kernel's list of IPVS connections, as text. */
import { open } from 'node:fs/promises';

const FILE = '/proc/net/ip_vs_conn';
/** Connections that are looked at, at most. */
const MOST = 1 << 20;

/** Gives each line to `onLine`; a kernel without IPVS has none. The event loop runs between pieces of the file. */
export async function readConnections(onLine: (line: string) => void): Promise<void> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(FILE);
  } catch {
    return;
  }
  try {
    let count = 0;
    for await (const line of file.readLines({ encoding: 'latin1', highWaterMark: 1 << 18 })) {
      if (++count > MOST) return;
      onLine(line);
    }
  } finally {
    await file.close();
  }
}
