/**
 * Services as they are kept: thousands of servers serve the same few things in the same way, so what is equal is the same object.
 */
import type { Check, Forward, PortRange, Service } from '../../sdk/wire/model.ts';
import type { ServiceRecord } from './state.ts';

/** `spec`, with the parts of one of its neighbours wherever they are equal. */
export function compact(spec: Service, neighbours: Iterable<ServiceRecord>): Service {
  const like = nearest(spec, neighbours);
  // One literal: what a decoder puts together field by field takes twice the room.
  return {
    id: spec.id,
    name: like?.name === spec.name ? like.name : spec.name,
    vip: like?.vip ?? spec.vip,
    transport: spec.transport,
    ports: like && samePorts(like.ports, spec.ports) ? like.ports : spec.ports,
    targetPort: spec.targetPort,
    protocol: like?.protocol === spec.protocol ? like.protocol : spec.protocol,
    weight: spec.weight,
    capacity: spec.capacity,
    check: like && sameCheck(like.check, spec.check) ? like.check : spec.check,
    forward: like && sameForward(like.forward, spec.forward) ? like.forward : spec.forward,
  };
}

/** Whether a server said the same of a service again. */
export const sameService = (one: Service, other: Service): boolean =>
  one.id === other.id &&
  one.name === other.name &&
  one.vip === other.vip &&
  one.transport === other.transport &&
  samePorts(one.ports, other.ports) &&
  one.targetPort === other.targetPort &&
  one.protocol === other.protocol &&
  one.weight === other.weight &&
  one.capacity === other.capacity &&
  sameCheck(one.check, other.check) &&
  sameForward(one.forward, other.forward);

/** The first neighbour with the same ports, or else any. */
function nearest(spec: Service, neighbours: Iterable<ServiceRecord>): Service | undefined {
  let any: Service | undefined;
  for (const { spec: other } of neighbours) {
    if (samePorts(other.ports, spec.ports)) return other;
    any ??= other;
  }
  return any;
}

const samePorts = (one: readonly PortRange[], other: readonly PortRange[]): boolean =>
  one.length === other.length &&
  one.every((range, at) => range.first === other[at]!.first && range.last === other[at]!.last);

const sameForward = (one: Forward, other: Forward): boolean =>
  one.mode === other.mode &&
  one.scheduler === other.scheduler &&
  one.affinity === other.affinity &&
  one.affinityPrefix === other.affinityPrefix &&
  one.affinityBy === other.affinityBy;

const sameCheck = (one: Check, other: Check): boolean =>
  one.kind === other.kind &&
  one.port === other.port &&
  one.interval === other.interval &&
  one.timeout === other.timeout &&
  one.rise === other.rise &&
  one.fall === other.fall &&
  one.target === other.target &&
  one.expectText === other.expectText &&
  one.expectStatus[0] === other.expectStatus[0] &&
  one.expectStatus[1] === other.expectStatus[1] &&
  sameBytes(one.send, other.send) &&
  sameBytes(one.expect, other.expect);

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, at) => byte === other[at]);
