/**
 * Cookies that managers gave (RFC 7873 §5.3), so that the next query needs one round trip only.
 */
import type { Address } from '../wire/address.ts';

/** Managers whose cookie is remembered; the longest unused one is forgotten. */
const MOST = 64;

export class CookieJar {
  private readonly cookies = new Map<Address, Uint8Array>();

  get(manager: Address): Uint8Array | undefined {
    return this.cookies.get(manager);
  }

  set(manager: Address, cookie: Uint8Array | undefined): void {
    this.cookies.delete(manager);
    if (cookie === undefined) return;
    if (this.cookies.size >= MOST) this.cookies.delete(this.cookies.keys().next().value!);
    this.cookies.set(manager, cookie);
  }
}
