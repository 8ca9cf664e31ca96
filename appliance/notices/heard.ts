/** What peers said, authentic and in order: what the registry and a GSLB go by. */
import type { Address } from '../../sdk/wire/address.ts';
import type { Binding, ManagerId, Offer, ServerId } from '../../sdk/wire/model.ts';

/** What names an offer. */
export type OfferName = Pick<Offer, 'name' | 'vip' | 'transport' | 'ports' | 'protocol'>;

export type Heard =
  /** New, changed and gone entries of a manager. `complete`: this is its whole table, what is not in it is gone. */
  | {
      readonly type: 'heard';
      readonly manager: ManagerId;
      readonly name: string;
      readonly addresses: readonly Address[];
      /** UDP port of anycast ARP and polls; TCP port of registration. */
      readonly anycastPort: number;
      readonly port: number;
      readonly tls: boolean;
      readonly bindings: readonly Binding[];
      readonly gone: readonly { readonly vip: Address; readonly server: ServerId }[];
      readonly offers: readonly Offer[];
      readonly offersGone: readonly OfferName[];
      readonly complete: boolean;
    }
  /** Its refreshes are missed. Its next message, whatever it holds, is a `heard`. */
  | { readonly type: 'peer-silent'; readonly manager: ManagerId }
  /** It took its leave, or was silent for too long. */
  | { readonly type: 'peer-gone'; readonly manager: ManagerId };
