/**
 * Directories in which other programs leave their notes, watched by inotify.
 */
import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { WatchDirectories } from './ports.ts';

export const watchDirectories: WatchDirectories = (paths, onChange) => {
  const watchers = new Map<string, FSWatcher>();
  let open = true;
  const drop = (path: string): void => {
    watchers.get(path)?.close();
    watchers.delete(path);
  };
  /** Watches the directory, or, while it is not there, the one above it until it is. */
  const begin = (path: string): boolean => {
    try {
      const watcher = watch(path, { persistent: false }, onChange);
      watcher.on('error', () => drop(path));
      watchers.set(path, watcher);
      return true;
    } catch {
      await_(path);
      return false;
    }
  };
  const await_ = (path: string): void => {
    const above = dirname(path);
    if (above === path || watchers.has(`await ${path}`)) return;
    try {
      const watcher = watch(above, { persistent: false }, () => {
        if (!open || watchers.has(path)) return;
        drop(`await ${path}`);
        if (begin(path)) onChange();
      });
      watcher.on('error', () => drop(`await ${path}`));
      watchers.set(`await ${path}`, watcher);
    } catch {
      // Nothing of it is there: this host has no such client.
    }
  };
  for (const path of paths) begin(path);
  return {
    close() {
      open = false;
      for (const key of [...watchers.keys()]) drop(key);
    },
  };
};
