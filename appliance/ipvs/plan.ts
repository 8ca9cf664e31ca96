/**
 * What must change in IPVS, as values: the difference between a service as it is and as it shall be. Pure.
 */
import { type Destination, destinationName, type VirtualService } from './layout.ts';

export type Step =
  | { readonly do: 'add-service' | 'edit-service' | 'remove-service'; readonly service: VirtualService }
  | {
      readonly do: 'add-destination' | 'edit-destination' | 'remove-destination';
      readonly service: VirtualService;
      readonly destination: Destination;
    };

/** A destination that goes, and its connections with it. */
export interface Departure {
  readonly service: VirtualService;
  readonly destination: Destination;
}

export interface ServicePlan {
  /** Carried out first, of all services: after them new flows go where they shall. Those that go get none any more. */
  readonly adds: readonly Step[];
  /** Carried out last. */
  readonly removes: readonly Step[];
  readonly departures: readonly Departure[];
}

/** From a service as it is (undefined: not there) to what it shall be (undefined: gone). */
export function planService(
  before: VirtualService | undefined,
  after: VirtualService | undefined,
): ServicePlan {
  const [adds, removes, departures]: [Step[], Step[], Departure[]] = [[], [], []];
  if (after !== undefined) {
    if (before === undefined) adds.push({ do: 'add-service', service: after });
    else if (!sameSettings(before, after)) adds.push({ do: 'edit-service', service: after });
    for (const destination of after.destinations.values()) {
      const old = before?.destinations.get(destinationName(destination));
      if (old === undefined) adds.push({ do: 'add-destination', service: after, destination });
      else if (old.weight !== destination.weight || old.forward !== destination.forward)
        adds.push({ do: 'edit-destination', service: after, destination });
    }
  }
  for (const destination of before?.destinations.values() ?? []) {
    if (before === undefined || after?.destinations.has(destinationName(destination))) continue;
    departures.push({ service: before, destination });
    const quiet = { ...destination, weight: 0 };
    if (destination.weight > 0)
      adds.push({ do: 'edit-destination', service: after ?? before, destination: quiet });
    removes.push({ do: 'remove-destination', service: after ?? before, destination });
  }
  if (before !== undefined && after === undefined) removes.push({ do: 'remove-service', service: before });
  return { adds, removes, departures };
}

const sameSettings = (one: VirtualService, other: VirtualService): boolean =>
  one.scheduler === other.scheduler &&
  one.flags === other.flags &&
  one.timeout === other.timeout &&
  one.prefix === other.prefix &&
  one.engine === other.engine;

/** A service once the step has been done; undefined when it is gone. `service`: as it was before. */
export function afterStep(service: VirtualService | undefined, step: Step): VirtualService | undefined {
  if (step.do === 'remove-service') return undefined;
  const destinations = new Map(service?.destinations);
  if (!('destination' in step)) return { ...step.service, destinations };
  if (step.do === 'remove-destination') destinations.delete(destinationName(step.destination));
  else destinations.set(destinationName(step.destination), step.destination);
  return { ...(service ?? step.service), destinations };
}
