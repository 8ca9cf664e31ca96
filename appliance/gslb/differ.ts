/** What of a name is another than before: so that only what can be others is made anew. Pure. */
import type { Name } from './view.ts';

/** Whether a name has come or gone, or is offered otherwise: at another VIP, for another protocol. */
export function offersDiffer(one: Name | undefined, other: Name | undefined): boolean {
  const keys = (name: Name | undefined): string =>
    name === undefined
      ? '-'
      : (name.held.length > 0 ? name.held : name.lapsed).map(({ key }) => key).join('\n');
  return keys(one) !== keys(other);
}
