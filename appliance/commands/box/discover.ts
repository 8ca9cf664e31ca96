/**
 * `bivouac box discover`: listens on the WAN of a box that nobody has told anything for a neighbour that speaks OSPF.
 */
import { join } from 'node:path';
import { type Hello, readHello, unfit } from '../../box/ospf-hello.ts';
import { createFiles } from '../../host/files.ts';
import { linuxLinks } from '../../host/links.ts';
import { HELLO } from './configure.ts';
import type { Paths } from './paths.ts';
import { reportOf } from './show.ts';

/** OSPF over IPv4, as it comes in. */
const FILTER = 'inbound and ip proto 89';
const RING = 65_536;
const ETHERNET = 14;

/** Resolves when there is a neighbour that the box can join, which it notes; one that it cannot is noted, too, but listened on for another. */
export async function discover(paths: Paths, onFound: (hello: Hello) => Promise<void>): Promise<void> {
  const wan = reportOf(paths)?.ports.wan;
  if (wan === undefined) return;
  const links = await linuxLinks(sentence => console.error(sentence));
  let last = '';
  await new Promise<void>(resolve => {
    const socket = links.open(wan, FILTER, RING, frame => {
      const header = (frame[ETHERNET]! & 15) * 4;
      const hello = readHello(frame.subarray(ETHERNET + header));
      if (hello === undefined || JSON.stringify(hello) === last) return;
      last = JSON.stringify(hello);
      createFiles().write(join(paths.run, HELLO), `${last}\n`);
      void onFound(hello);
      if (unfit(hello) !== undefined) return;
      socket.close();
      resolve();
    });
  });
}
