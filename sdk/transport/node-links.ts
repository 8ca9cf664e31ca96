/**
 * Raw Ethernet by the addon `cap`, which is loaded only when somebody asks for a link: nobody else needs it installed.
 */
import { networkInterfaces } from 'node:os';
import { BivouacError } from '../errors.ts';
import { parseAddress, parseMac } from '../wire/address.ts';
import type { Link, Links } from './environment.ts';

/** What of `cap` is used. */
interface Capture {
  open(device: string, filter: string, ring: number, buffer: Uint8Array): string;
  setMinBytes?(bytes: number): void;
  on(event: 'packet', listener: (length: number) => void): void;
  send(bytes: Uint8Array, length: number): void;
  close(): void;
}

const LARGEST_FRAME = 9216 + 18;

/** A name that bundlers do not follow: the program that bundles the SDK need not have it. */
const ADDON: string = 'cap';

/** libpcap's handle stays in libuv's list after it was closed, so its object must never be collected. */
const kept: Capture[] = [];

/** Rejects with ENOLINK when `cap` is not installed. */
export async function capLinks(): Promise<Links> {
  const module = await import(ADDON).catch((error: Error) => {
    throw new BivouacError('ENOLINK', `asking on a link needs the package 'cap': npm install cap`, {
      cause: error,
    });
  });
  const Cap = (module as { default: { Cap: new () => Capture } }).default.Cap;
  return {
    list,
    open(name, filter, ring, onFrame) {
      const capture = new Cap();
      kept.push(capture);
      const buffer = Buffer.alloc(LARGEST_FRAME);
      const type = capture.open(name, filter, ring, buffer);
      if (type !== 'ETHERNET') {
        capture.close();
        throw new BivouacError('ENOLINK', `${name} is ${type}, not Ethernet: anycast ARP needs Ethernet`);
      }
      capture.setMinBytes?.(0);
      capture.on('packet', length => onFrame(buffer.subarray(0, length)));
      return {
        send: frame => capture.send(Buffer.from(frame), frame.length),
        close: () => capture.close(),
      };
    },
  };
}

function list(): readonly Link[] {
  return Object.entries(networkInterfaces()).map(([name, entries = []]) => ({
    name,
    mac: parseMac(entries[0]?.mac ?? '') ?? parseMac('00:00:00:00:00:00')!,
    addresses: entries.flatMap(entry => parseAddress(entry.address) ?? []).map(address => ({ address })),
  }));
}
