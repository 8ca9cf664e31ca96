/** What of a view is another than before: so that only those answers are made anew that may be others. Pure. */
import { sameUse } from './settle.ts';
import type { Name, Site, View } from './view.ts';

/** Whether what is known of the network differs, by which every answer may be another. */
export function networkDiffers(before: View, now: View): boolean {
  if (before.sites === now.sites) return false;
  if (before.sites.size !== now.sites.size) return true;
  for (const [id, site] of now.sites) {
    const old = before.sites.get(id);
    if (old === undefined || (old !== site && siteDiffers(old, site))) return true;
  }
  return false;
}

const siteDiffers = (one: Site, other: Site): boolean =>
  one.own !== other.own ||
  one.paths !== other.paths ||
  one.name !== other.name ||
  `${one.addresses}` !== `${other.addresses}` ||
  !sameUse(one.links, other.links);

/** Whether a name has come or gone, or is offered otherwise: at another VIP, for another protocol. */
export function offersDiffer(one: Name | undefined, other: Name | undefined): boolean {
  const keys = (name: Name | undefined): string =>
    name === undefined
      ? '-'
      : (name.held.length > 0 ? name.held : name.lapsed).map(({ key }) => key).join('\n');
  return keys(one) !== keys(other);
}
