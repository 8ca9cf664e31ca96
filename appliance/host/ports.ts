/**
 * What the daemon needs of the operating system. `host/` implements these on Linux; tests implement them in virtual time.
 * Nothing outside `host/` and `main.ts` imports `node:*`.
 */
import type { Address, Mac } from '../../sdk/wire/address.ts';
import type { ManagerId, ServerId } from '../../sdk/wire/model.ts';

/** Milliseconds on a clock that never jumps (CLOCK_MONOTONIC). Not comparable between hosts or boots. */
export type Millis = number;

export interface Timer {
  cancel(): void;
}

export interface Clock {
  now(): Millis;
  /** Calls `run` once, after `delay` ms. The name shows in diagnostics. */
  after(name: string, delay: Millis, run: () => void): Timer;
  /** Wall-clock time for people to read, ISO 8601. Never decided upon. */
  wall(): string;
}

export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Unpredictable bytes. */
  bytes(length: number): Uint8Array;
}

export interface ExecResult {
  /** Exit status; -1 when it was ended by a signal or by the timeout. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that is fed lines for as long as it lives. */
export interface Coprocess {
  write(text: string): void;
  close(): void;
}

export interface Exec {
  /** Runs a program to its end; output is cut at 1 MiB. Rejects only if it cannot be started. */
  run(
    file: string,
    args: readonly string[],
    options?: {
      readonly input?: string;
      readonly timeout?: Millis;
      readonly env?: Readonly<Record<string, string>>;
    },
  ): Promise<ExecResult>;
  /** Starts a program that stays. `onOutput` gets its stdout and stderr as they come. */
  start(
    file: string,
    args: readonly string[],
    onOutput: (text: string, stream: 'stdout' | 'stderr') => void,
    onExit: (status: number) => void,
  ): Coprocess;
}

/** A byte stream: TCP, TLS or a UNIX socket. Handlers are given when it is made; none is called after onClose. */
export interface Stream {
  /** False when the peer reads slower than is written: then wait for onDrain or give up. */
  write(bytes: Uint8Array): boolean;
  /** Bytes accepted by write but not yet by the kernel. */
  readonly pending: number;
  pause(): void;
  resume(): void;
  /** Sends what is pending, then FIN. */
  end(): void;
  /** Drops everything at once. */
  destroy(): void;
}

export interface StreamHandlers {
  /** Connected (and the TLS handshake done, if any). */
  onOpen?(): void;
  onData(bytes: Uint8Array): void;
  onDrain?(): void;
  /** The end, from either side. `error` in one sentence, absent for an orderly end. */
  onClose(error?: string): void;
}

/** The far end of an accepted stream. */
export interface Peer {
  readonly address: Address;
  readonly port: number;
  /** Present with mutual TLS: what the certificate says (DER of the SPKI, and the URI names of subjectAltName). */
  readonly certificate?: {
    readonly publicKey: Uint8Array;
    readonly uris: readonly string[];
    readonly subject: string;
    readonly serial: string;
  };
}

export interface TlsIdentity {
  /** PEM texts. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** Whether dates in certificates count; absent = `ignore`, since nodes have no right clock (docs/protocol.md §5.2). */
  readonly validity?: 'ignore' | 'enforce';
}

/** What people look at in a certificate. */
export interface CertificateFacts {
  readonly organization: string;
  readonly commonName: string;
  readonly issuer: string;
  readonly serial: string;
  readonly authority: boolean;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SHA-256 of the certificate, hex with colons. */
  readonly fingerprint: string;
  /** SHA-256 of its key's SPKI: the holder's ServerId or ManagerId. */
  readonly id: ServerId;
  /** DER of the key's SPKI. */
  readonly publicKey: Uint8Array;
  readonly keyType: string;
  readonly uris: readonly string[];
}

export interface Listener {
  readonly port: number;
  /** Shows another certificate, and trusts another authority, from the next handshake on (TLS only). Throws when they are of no use. */
  renew?(identity: TlsIdentity): void;
  close(): void;
}

export interface DatagramSocket {
  readonly port: number;
  send(bytes: Uint8Array, port: number, address: Address): void;
  close(): void;
}

export interface Net {
  /** Connects; with `tls`, `verify: false` accepts any certificate (health checks look at the service, not at its paper). */
  connect(
    to: {
      readonly address: Address;
      readonly port: number;
      readonly from?: Address;
      /** The local port; absent: any. */
      readonly fromPort?: number;
      readonly tls?: {
        readonly identity?: TlsIdentity;
        readonly serverName?: string;
        readonly verify: boolean;
        /** Protocols offered (RFC 7301). */
        readonly alpn?: readonly string[];
      };
    },
    handlers: StreamHandlers,
  ): Stream;
  /** Accepts streams; with `tls`, mutual TLS 1.3 and nobody without a certificate of the authority. */
  listen(
    at: {
      readonly address: Address;
      readonly port: number;
      readonly tls?: TlsIdentity;
      /** Protocols accepted (RFC 7301); a peer that offers only others is refused, one that offers none is not. */
      readonly alpn?: readonly string[];
      readonly backlog?: number;
    },
    accept: (stream: Stream, peer: Peer) => StreamHandlers,
    /** A connection that failed before it was accepted (a TLS handshake): where from, and why. */
    onRefused: (address: string, reason: string) => void,
  ): Promise<Listener>;
  /** Accepts streams at a path of the file system (mode 0660). */
  listenLocal(path: string, accept: (stream: Stream) => StreamHandlers): Promise<Listener>;
  /**
   * Opens a UDP socket. `zone`: the interface of a link-local address. `groups` are joined on `interfaces` (all when absent).
   * `receiveBuffer` in bytes.
   */
  datagram(
    at: {
      readonly address: Address;
      readonly zone?: string;
      readonly port: number;
      readonly groups?: readonly Address[];
      readonly interfaces?: readonly string[];
      readonly reuse?: boolean;
      readonly receiveBuffer?: number;
      /** Its multicasts leave by this interface, wherever it has moved to, and pass `ttl` routers at most. Rejects when it is not there. */
      readonly multicast?: { readonly interface: string; readonly ttl: number };
    },
    /** `zone`: the interface that a link-local source is on (RFC 4007 §11). */
    onDatagram: (bytes: Uint8Array, address: Address, port: number, zone?: string) => void,
    onError: (error: string) => void,
  ): Promise<DatagramSocket>;
}

/** A network interface as the kernel has it now. */
export interface Link {
  readonly name: string;
  readonly index: number;
  readonly mac: Mac;
  readonly up: boolean;
  readonly mtu: number;
  readonly addresses: readonly { readonly address: Address; readonly length: number }[];
}

/** An interface opened for raw Ethernet frames (libpcap). */
export interface LinkSocket {
  send(frame: Uint8Array): void;
  close(): void;
}

export interface Links {
  list(): readonly Link[];
  /** Opens an interface with a BPF filter; `ring` is the kernel-side buffer in bytes. Frames are valid only during the call. */
  open(name: string, filter: string, ring: number, onFrame: (frame: Uint8Array) => void): LinkSocket;
}

/** A raw IP socket (root or CAP_NET_RAW). */
export interface RawSocket {
  /** `packet` begins with the protocol's own header (or with the IP header when opened with `header`). */
  send(packet: Uint8Array, to: Address): void;
  close(): void;
}

export interface RawSockets {
  /** Opens a raw socket of an IP protocol (1 ICMP, 58 ICMPv6, 6 TCP); `header`: the caller writes the IPv4 header. `onPacket` gets the payload behind the IP header. */
  open(
    family: 4 | 6,
    protocol: number,
    header: boolean,
    onPacket: (packet: Uint8Array, from: Address) => void,
  ): RawSocket;
}

export interface Files {
  /** The text of a file, or undefined when there is none. */
  read(path: string): string | undefined;
  /** Replaces a file atomically (write, fsync, rename). */
  write(path: string, text: string, mode?: number): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  list(directory: string): readonly string[];
  makeDirectory(path: string): void;
}

/** HMAC with SHA-256 (RFC 2104, FIPS 180-4): 32 bytes. */
export type Hmac = (key: Uint8Array, bytes: Uint8Array) => Uint8Array;

/** Small documents that outlive the daemon, each replaced atomically as a whole. */
export interface Store {
  /** What `decode` makes of the document; undefined when there is none, or when it cannot be read: then it is set aside, and said so. */
  read<T>(name: string, decode: (document: unknown) => T): T | undefined;
  write(name: string, document: object): void;
}

/** HTTP for an operator's tools. */
export interface Http {
  /** Serves GET requests; `answer` gets the path with its query. Rejects when the address cannot be bound. */
  serve(
    at: { readonly address: Address; readonly port: number },
    answer: (path: string) => { readonly status: number; readonly type: string; readonly body: string },
  ): Promise<Listener>;
}

/** Log levels are syslog's (RFC 5424), as journald reads them from `<N>` prefixes. */
export type LogLevel = 'error' | 'warning' | 'notice' | 'info' | 'debug';

/** One event: a stable kebab-case name, and fields that hold no secret. */
export type Log = (level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>) => void;

/** What a certificate says, and whether the mission's authority issued it. */
export interface Inspected {
  /** DER of the key's SPKI. */
  readonly publicKey: Uint8Array;
  readonly keyType: string;
  readonly uris: readonly string[];
  readonly subject: string;
  /** Hex. */
  readonly serial: string;
  /** An authority's own. */
  readonly authority: boolean;
  /** The mission's authority signed it. */
  readonly issued: boolean;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A key of this host that signs (Ed25519): its certificate's. */
export interface Signer {
  /** SHA-256 of the public key's SPKI, as ManagerId and ServerId are made. */
  readonly id: ManagerId;
  /** DER of the SPKI. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** Whether `signature` is that of the key's holder over `bytes`; false for a key that is not Ed25519, too. */
export type Verify = (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean;

/** What an FRR daemon said to a command. */
export interface VtyReply {
  readonly text: string;
  /** FRR's lib/command.h: 0 done, 1 a warning, all others refused. */
  readonly status: number;
}

/** A connection to an FRR daemon's vty socket. */
export interface Vty {
  /** Commands are answered in order. Rejects when the connection ends before the reply, or when no reply comes. */
  command(text: string): Promise<VtyReply>;
  close(): void;
}

/** Connects to a vty socket; rejects when nobody listens. `onClose` comes once, after a connection that was made. */
export type OpenVty = (path: string, onClose: (reason: string) => void) => Promise<Vty>;

/** Everything together, as the composition root hands it out. */
export interface Host {
  readonly clock: Clock;
  readonly random: Random;
  readonly exec: Exec;
  readonly net: Net;
  readonly links: Links;
  readonly raw: RawSockets;
  readonly files: Files;
  readonly log: Log;
}

/** A network interface, as the kernel has it now (rtnetlink(7)). */
export interface Interface {
  readonly index: number;
  readonly name: string;
  readonly loopback: boolean;
  /** Whether it is up and has its carrier. */
  readonly running: boolean;
  /** Usable ones of global scope (none that is tentative, or a duplicate), in the kernel's order; `prefix` in bits. */
  readonly addresses: readonly { readonly address: Address; readonly prefix: number }[];
}

/** A default route of the main table. */
export interface DefaultRoute {
  /** The interface's index. */
  readonly interface: number;
  readonly family: 4 | 6;
  readonly gateway: Address | undefined;
  readonly metric: number;
}

/** Where this host is in the network. */
export interface Surroundings {
  readonly interfaces: readonly Interface[];
  readonly routes: readonly DefaultRoute[];
}

/** Tells of the surroundings: once before it resolves, then whenever they have changed. */
export type FollowSurroundings = (
  onChange: (surroundings: Surroundings) => void,
) => Promise<{ close(): void }>;

/** Tells that something in one of these directories has changed; those that are not there are waited for. */
export type WatchDirectories = (paths: readonly string[], onChange: () => void) => { close(): void };
