/** Kernel settings under /proc/sys, of the network namespace that the process is in. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

export interface Sysctl {
  /** The value, or undefined when there is no such setting. */
  read(name: string): string | undefined;
  /** Sets it; gives the reason when it cannot. */
  write(name: string, value: string): string | undefined;
  list(directory: string): readonly string[];
}

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
