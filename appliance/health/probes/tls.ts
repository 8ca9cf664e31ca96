/**
 * `tls`: the port does a TLS handshake (1.2 or 1.3). The certificate is not judged: clients do that, with authorities of their own.
 */
import type { Net } from '../../host/ports.ts';
import { converse } from '../exchange.ts';
import { labelOf, type Probe, passed } from '../probe.ts';

export const tlsProbe =
  (net: Net): Probe =>
  (target, attempt) =>
    converse(net, target, attempt, {
      tls: tlsTo(target.service.name),
      onOpen: () => passed(`${labelOf(target)} passed`),
    });

/** With the service's name as server name (RFC 6066 §3), unless it is an address, which may not stand there. */
export const tlsTo = (name: string): { readonly verify: false; readonly serverName?: string } =>
  name === '' || /^[\d.]+$|:/.test(name) ? { verify: false } : { verify: false, serverName: name };
