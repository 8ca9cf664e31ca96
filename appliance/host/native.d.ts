/** The two CommonJS addons that come without types: only what links.ts and raw.ts use of them. */
declare module 'cap' {
  /** One interface opened by libpcap, always promiscuous, snap length 65,535, non-blocking, in immediate mode if it can. */
  interface Capture {
    /** Begins to capture; `buffer` takes each frame, one at a time. Gives the link type (`ETHERNET`). Throws libpcap's error. */
    open(device: string, filter: string, ring: number, buffer: Uint8Array): string;
    on(event: 'packet', listener: (length: number, truncated: boolean) => void): this;
    removeAllListeners(): this;
    send(frame: Uint8Array, length?: number): void;
    close(): boolean;
  }
  const cap: { readonly Cap: new () => Capture };
  export default cap;
}

declare module 'raw-socket' {
  interface Socket {
    /** The socket itself; its `send` is a plain non-blocking sendto(2) that throws the system's error. */
    readonly wrap: {
      send(
        packet: Uint8Array,
        offset: number,
        length: number,
        to: string,
        done: (bytes: number) => void,
      ): void;
    };
    on(event: 'message', listener: (packet: Uint8Array, from: string) => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    pauseRecv(): this;
    setOption(level: number, option: number, value: number): void;
    setOption(level: number, option: number, value: Uint8Array, length: number): void;
    close(): this;
  }
  const raw: {
    /** addressFamily: 1 = IPv4, 2 = IPv6. */
    createSocket(options: { protocol: number; addressFamily: 1 | 2; bufferSize?: number }): Socket;
  };
  export default raw;
}
