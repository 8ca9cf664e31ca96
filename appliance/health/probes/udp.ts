/**
 * `udp`: the check's bytes are sent; an answer that begins with the expected bytes (any answer, if none are given) passes.
 *
 * A port at which nobody listens shows as a timeout: the kernel tells an ICMP "port unreachable" to connected sockets only.
 */
import type { Net } from '../../host/ports.ts';
import { askByDatagram } from '../exchange.ts';
import { labelOf, type Probe, passed } from '../probe.ts';

export const udpProbe =
  (net: Net): Probe =>
  (target, attempt) => {
    const { send, expect } = target.check;
    return askByDatagram(net, target, attempt, {
      ask: () => send,
      hear: bytes =>
        expect.every((byte, index) => bytes[index] === byte)
          ? passed(`${labelOf(target)} passed`)
          : `${bytes.length} bytes that do not begin as expected`,
    });
  };
