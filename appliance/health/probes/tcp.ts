/**
 * `tcp`: the port accepts a connection, which is closed at once.
 */
import type { Net } from '../../host/ports.ts';
import { converse } from '../exchange.ts';
import { labelOf, type Probe, passed } from '../probe.ts';

export const tcpProbe =
  (net: Net): Probe =>
  (target, attempt) =>
    converse(net, target, attempt, { onOpen: () => passed(`${labelOf(target)} passed`) });
