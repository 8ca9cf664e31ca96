/**
 * Whether a service goes on being checked as it was. The registry and the checks themselves must agree on it: a check tells only of
 * changes, so a verdict is kept exactly when its check is.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Service } from '../../sdk/wire/model.ts';

/** A service at the address where it is checked. */
interface Checked {
  readonly address: Address;
  readonly service: Service;
}

/** The port that is checked on the server: the check's, else the first that the service has there. */
export const checkedPort = ({ check, targetPort, ports }: Service): number =>
  check.port || targetPort || (ports[0]?.first ?? 0);

/** Whether both would be checked in the same way and counted by the same rules. */
export function sameCheck(one: Checked, other: Checked): boolean {
  const { service } = one;
  const [a, b] = [service.check, other.service.check];
  return (
    one.address === other.address &&
    checkedPort(service) === checkedPort(other.service) &&
    a.kind === b.kind &&
    a.interval === b.interval &&
    a.timeout === b.timeout &&
    a.rise === b.rise &&
    a.fall === b.fall &&
    a.target === b.target &&
    a.expectText === b.expectText &&
    a.expectStatus[0] === b.expectStatus[0] &&
    a.expectStatus[1] === b.expectStatus[1] &&
    sameBytes(a.send, b.send) &&
    sameBytes(a.expect, b.expect) &&
    service.name === other.service.name &&
    service.transport === other.service.transport &&
    service.protocol === other.service.protocol
  );
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
