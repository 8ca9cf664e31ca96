/**
 * All drivers, by the kind of check.
 */
import type { CheckKind } from '../../sdk/wire/model.ts';
import type { Exec, Net, Random, RawSockets } from '../host/ports.ts';
import { type Probe, passed } from './probe.ts';
import { dnsProbe } from './probes/dns.ts';
import { execProbe, type Programs } from './probes/exec.ts';
import { h323Probe } from './probes/h323.ts';
import { httpProbe } from './probes/http.ts';
import { icmpProbe } from './probes/icmp.ts';
import { sipProbe } from './probes/sip.ts';
import { tcpProbe } from './probes/tcp.ts';
import { tlsProbe } from './probes/tls.ts';
import { udpProbe } from './probes/udp.ts';

export type Probes = Readonly<Record<CheckKind, Probe>>;

export interface ProbesOptions {
  readonly net: Net;
  readonly random: Random;
  readonly raw: RawSockets;
  readonly exec: Exec;
  /** What `exec` checks may run: name → program and arguments, from the configuration. */
  readonly programs: Programs;
}

/** Drivers for every kind. Raw sockets are opened at the first `icmp` check. */
export function createProbes({ net, random, raw, exec, programs }: ProbesOptions): Probes {
  const http = httpProbe(net);
  return {
    none: () => Promise.resolve(passed('is not wanted: taken as healthy')),
    tcp: tcpProbe(net),
    http,
    https: http,
    icmp: icmpProbe(raw, random),
    dns: dnsProbe(net, random),
    udp: udpProbe(net),
    tls: tlsProbe(net),
    h323: h323Probe(net, random),
    sip: sipProbe(net, random),
    exec: execProbe(exec, programs),
  };
}
