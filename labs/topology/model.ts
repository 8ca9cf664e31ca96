/** The network of a containerlab file, resolved: what each node is after defaults, kinds and groups have been merged into it. */

import type { Shape } from './shape.ts';

/** A host file or directory that a node sees at a path of its own. */
export interface Bind {
  /** Absolute path on the host. */
  readonly source: string;
  /** Absolute path in the node. */
  readonly target: string;
  readonly readOnly: boolean;
}

export interface Node {
  readonly name: string;
  /** `linux` runs processes; `bridge` is a switch and nothing else. */
  readonly kind: 'linux' | 'bridge';
  /** Free text; colours and ranks the picture of the network. Empty = none. */
  readonly group: string;
  readonly image: string;
  readonly binds: readonly Bind[];
  readonly env: Readonly<Record<string, string>>;
  /** Key as sysctl writes it (`net.ipv4.ip_forward`) → value. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** The command that the node runs from its start, in words; empty = only an init. */
  readonly command: readonly string[];
  /** Run one after the other once all links are there, each in words (no shell). */
  readonly exec: readonly (readonly string[])[];
}

/** One end of a link. */
export interface Endpoint {
  readonly node: string;
  readonly interface: string;
}

/** A veth pair. */
export interface Link {
  readonly a: Endpoint;
  readonly b: Endpoint;
  /** Bytes. */
  readonly mtu: number;
  /** What it is as a line of a wide-area network, when somebody makes it one (wan/wan.ts). */
  readonly shape?: Shape;
}

export interface Topology {
  readonly name: string;
  /** The file it was read from, absolute. */
  readonly file: string;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly links: readonly Link[];
}

/** The interfaces of a node in the order of the links. */
export function interfacesOf(topology: Topology, node: string): readonly string[] {
  return topology.links
    .flatMap(link => [link.a, link.b])
    .filter(end => end.node === node)
    .map(end => end.interface);
}
