import { closeSync, fstatSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NETLINK_ROUTE, openNetlink, openNetlinkGroups } from '../../../appliance/host/netlink.ts';

const RTMGRP_LINK = 1;

test('who waits for groups that are closed hears so, and nobody else’s descriptor is closed', async () => {
  const groups = openNetlinkGroups(NETLINK_ROUTE, RTMGRP_LINK);
  groups.close();
  // It has the number that has become free.
  const file = openSync(import.meta.filename, 'r');
  expect(await groups.wait()).toBe(false);
  expect(fstatSync(file).isFile()).toBe(true);
  closeSync(file);
});

test('a close reaches who waits, and who waits again', async () => {
  const groups = openNetlinkGroups(NETLINK_ROUTE, RTMGRP_LINK);
  const waiting = groups.wait();
  groups.close();
  expect(await waiting).toBe(false);
  const file = openSync(import.meta.filename, 'r');
  expect(await groups.wait()).toBe(false);
  expect(fstatSync(file).isFile()).toBe(true);
  closeSync(file);
});

test('a socket that is closed takes nothing any more', async () => {
  const socket = openNetlink(NETLINK_ROUTE);
  socket.close();
  socket.close();
  expect(await socket.batch(new Uint8Array(20), 1)).toContain('closed');
  await expect(socket.request(new Uint8Array(20))).rejects.toThrow('closed');
});
