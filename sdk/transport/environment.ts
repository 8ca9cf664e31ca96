/**
 * What the SDK needs of the system around it. node.ts is Node's; tests, and programs with a network stack of their own, bring
 * another. The daemon's own ports (clock, random, net, links) fit in here as they are.
 */
import type { Address, Mac } from '../wire/address.ts';

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds; never jumps; comparable only with itself. */
  now(): number;
  /** Calls `run` once, after `delay` ms. */
  after(name: string, delay: number, run: () => void): Timer;
}

export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Unpredictable bytes. */
  bytes(length: number): Uint8Array;
}

/** PEM texts. */
export interface Identity {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** Whether dates in certificates count; absent = `ignore`, since nodes in the field have no right clock. */
  readonly validity?: 'ignore' | 'enforce';
}

export interface Stream {
  write(bytes: Uint8Array): boolean;
  /** Bytes written but not yet taken by the kernel. */
  readonly pending: number;
  /** This end's address, once it is open; absent: not known. */
  readonly localAddress?: Address | undefined;
  /** The peer's certificate (DER), once it is open, with TLS; absent: not known. */
  readonly peerCertificate?: Uint8Array | undefined;
  end(): void;
  destroy(): void;
}

interface StreamHandlers {
  onOpen?(): void;
  onData(bytes: Uint8Array): void;
  /** Once, and the last call. `error` in one sentence, absent for an orderly end. */
  onClose(error?: string): void;
}

interface DatagramSocket {
  send(bytes: Uint8Array, port: number, address: Address): void;
  close(): void;
}

export interface Net {
  /** With `tls`: TLS 1.3, the peer verified by `identity.ca`. */
  connect(
    to: {
      readonly address: Address;
      readonly port: number;
      readonly tls?: {
        readonly identity?: Identity;
        readonly verify: boolean;
        readonly alpn?: readonly string[];
      };
    },
    handlers: StreamHandlers,
  ): Stream;
  /** Opens a UDP socket. `only`: the one far end that it will talk to; a system that can do so tells of its ICMP errors. */
  datagram(
    at: {
      readonly address: Address;
      readonly port: number;
      readonly only?: { readonly address: Address; readonly port: number };
    },
    onDatagram: (bytes: Uint8Array, address: Address, port: number) => void,
    onError: (error: string) => void,
  ): Promise<DatagramSocket>;
}

export interface Link {
  readonly name: string;
  readonly mac: Mac;
  readonly addresses: readonly { readonly address: Address }[];
}

/** Raw Ethernet. */
export interface Links {
  list(): readonly Link[];
  /** `ring` is the kernel-side buffer in bytes. A frame is valid only during the call. */
  open(
    name: string,
    filter: string,
    ring: number,
    onFrame: (frame: Uint8Array) => void,
  ): { send(frame: Uint8Array): void; close(): void };
}

/** An SRV record (RFC 2782). */
export interface ServiceRecord {
  readonly target: string;
  readonly port: number;
  /** The lesser is tried first. */
  readonly priority: number;
  readonly weight: number;
}

export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  /** Loaded when it is first needed; rejects where there is none. */
  links(): Promise<Links>;
  /** The addresses of a DNS name; empty if there are none. */
  resolve(name: string): Promise<readonly Address[]>;
  /** The SRV records of a DNS name; empty if there are none. Absent: they cannot be asked for. */
  services?(name: string): Promise<readonly ServiceRecord[]>;
  /** The default routers of this host, which in a cell are where its manager is. */
  gateways(): readonly Address[];
  /** The unicast addresses of this host's interfaces, without loopback's. */
  addresses(): readonly Address[];
  /** How long this host has been suspended since it booted, ms; absent: not known. */
  asleep?(): number;
}
