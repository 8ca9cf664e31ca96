/**
 * What one peer has said in one boot, put together from notices in any order (docs/protocol.md, Notices). Pure.
 */
import type { NoticedBinding, NoticedOffer, NoticeMessage } from '../../sdk/wire/messages.ts';
import type { Binding, Offer } from '../../sdk/wire/model.ts';
import { Cover } from './cover.ts';
import type { Heard } from './heard.ts';

export type Notice = Extract<NoticeMessage, { type: 'notice' }>;
export type News = Pick<
  Extract<Heard, { type: 'heard' }>,
  'bindings' | 'gone' | 'offers' | 'offersGone' | 'complete'
>;

/** Nothing new. */
export const NOTHING: News = { bindings: [], gone: [], offers: [], offersGone: [], complete: false };

interface Known<T> {
  readonly value: T;
  /** The change that said so, at the latest. */
  readonly change: number;
  /** Which telling of the whole table confirmed it last. */
  readonly telling: number;
}

export class PeerTable {
  readonly boot: number;
  readonly cover = new Cover();
  /** Whether the whole table was told, so that what follows are differences. */
  complete = false;
  /** Entries of the last notice for which there was no room. */
  left = 0;
  private telling = 1;
  private readonly bindings = new Map<string, Known<NoticedBinding>>();
  private readonly offers = new Map<string, Known<NoticedOffer>>();
  /** Where entries that are gone are kept. */
  private graves: { readonly map: Map<string, Known<{ gone: boolean }>>; readonly key: string }[] = [];

  constructor(boot: number) {
    this.boot = boot;
  }

  /** Entries that are kept, those gone included. */
  get size(): number {
    return this.bindings.size + this.offers.size;
  }

  counts(): { readonly bindings: number; readonly offers: number } {
    const alive = (map: ReadonlyMap<string, Known<{ gone: boolean }>>): number =>
      [...map.values()].filter(known => !known.value.gone).length;
    return { bindings: alive(this.bindings), offers: alive(this.offers) };
  }

  /** The peer begins to tell the whole of it: what it does not say again is gone. */
  restart(): void {
    this.telling++;
    this.complete = false;
    this.cover.restart();
  }

  /** Takes a notice; at most `room` entries more are kept. Gives what is new, or everything once the table has become complete. */
  take(notice: Notice, room: number): News {
    const { since, change } = notice;
    // What is known may have been said otherwise since, and that may be forgotten: an entry that is gone would come back.
    if (this.cover.has(since, change)) return NOTHING;
    let free = room;
    this.left = 0;
    const put = <T extends { gone: boolean }>(map: Map<string, Known<T>>, key: string, value: T): boolean => {
      const known = map.get(key);
      if (known !== undefined && known.change > change) {
        // Told again, in an answer that is cut otherwise, or older than what is known: it is there all the same.
        map.set(key, { ...known, telling: this.telling });
        return false;
      }
      if (known === undefined && free === 0) {
        this.left++;
        return false;
      }
      if (known === undefined) free--;
      map.set(key, { value, change, telling: this.telling });
      if (value.gone) this.graves.push({ map, key });
      return known === undefined ? !value.gone : known.value.gone !== value.gone || !value.gone;
    };
    const bindings = notice.bindings.filter(value => put(this.bindings, bindingKey(value), value));
    const offers = notice.offers.filter(value => put(this.offers, offerKey(value), value));
    this.cover.add(since, change);
    this.forget();
    if (!this.complete && this.cover.whole) return this.finish();
    return {
      bindings: bindings.filter(value => !value.gone).map(plain),
      gone: bindings.filter(value => value.gone),
      offers: offers.filter(value => !value.gone).map(plain),
      offersGone: offers.filter(value => value.gone),
      complete: false,
    };
  }

  /** Everything was told: drops what was not told again. */
  finish(): News {
    this.complete = true;
    for (const map of [this.bindings, this.offers])
      for (const [key, known] of map) if (known.telling < this.telling) map.delete(key);
    return {
      bindings: [...this.bindings.values()].flatMap(({ value }) => (value.gone ? [] : [plain(value)])),
      gone: [],
      offers: [...this.offers.values()].flatMap(({ value }) => (value.gone ? [] : [plain(value)])),
      offersGone: [],
      complete: true,
    };
  }

  /** What is gone is kept only while something older could still come. */
  private forget(): void {
    const { cursor } = this.cover;
    this.graves = this.graves.filter(({ map, key }) => {
      const known = map.get(key);
      if (known?.value.gone !== true) return false;
      if (known.change > cursor) return true;
      map.delete(key);
      return false;
    });
  }
}

const bindingKey = ({ vip, server }: Binding): string => `${vip}|${server}`;
const offerKey = ({ name, vip, transport, ports, protocol }: Offer): string =>
  `${name}|${vip}|${transport}|${ports.map(({ first, last }) => `${first}-${last}`)}|${protocol}`;

function plain<T extends { readonly gone: boolean }>(value: T): Omit<T, 'gone'> {
  const { gone: _, ...rest } = value;
  return rest;
}
