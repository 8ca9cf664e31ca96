/** Kernel settings under /proc/sys, of the network namespace that the process is in. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Sysctl } from '../dataplane/sysctl.ts';

/** Names are given with slashes: `net/ipv4/ip_forward`. */
export const createSysctl = (): Sysctl => ({
  read(name) {
    try {
      return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
    } catch {
      return undefined;
    }
  },
  write(name, value) {
    try {
      writeFileSync(`/proc/sys/${name}`, value);
      return undefined;
    } catch (error) {
      return `/proc/sys/${name} cannot be set to ${value}: ${(error as Error).message}`;
    }
  },
  list(directory) {
    try {
      return readdirSync(`/proc/sys/${directory}`);
    } catch {
      return [];
    }
  },
});
