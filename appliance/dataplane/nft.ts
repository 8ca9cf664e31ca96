/** How the driver speaks to nf_tables: whole transactions as text of the nft language, and listings as JSON. */

export interface NftResult {
  readonly ok: boolean;
  readonly output: string;
  /** What nft complained of, with the place in the text; '' when ok. */
  readonly error: string;
}

export interface Nft {
  /** Runs commands as one atomic transaction: all of it, or nothing. Never called again before it settles. */
  run(commands: string): Promise<NftResult>;
  /** Runs a listing command and gives its parsed JSON (libnftables-json(5)), or undefined when it failed (no such table). */
  json(command: string): Promise<unknown>;
  close(): void;
}

/** The fast way for a transaction that is in netlink's bytes already (batch.ts). */
export interface NftBatches {
  /** Sends it; gives '' when it was committed, else what the kernel said (then nothing of it was done). */
  commit(batch: { readonly bytes: Uint8Array; readonly last: number }): Promise<string>;
  close(): void;
}
