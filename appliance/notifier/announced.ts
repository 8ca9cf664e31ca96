/** What a manager tells, and who it is to those that it tells. */
import type { Address } from '../../sdk/wire/address.ts';
import type { Binding, Offer } from '../../sdk/wire/model.ts';
import type { Table } from '../registry/table.ts';

/** Who we are to our peers; asked before each message, since addresses change. */
export interface Self {
  readonly name: string;
  /** Unique addresses at which GSLBs and peers reach us, best first; the first 8 count. None: where our messages come from. */
  readonly addresses: readonly Address[];
  readonly anycastPort: number;
  /** TCP port of registration. */
  readonly port: number;
  readonly tls: boolean;
}

/** The whole of what is to be announced; desired/wanted.ts makes it. */
export interface Announced {
  readonly bindings: Table<string, Binding>;
  readonly offers: Table<string, Offer>;
}
