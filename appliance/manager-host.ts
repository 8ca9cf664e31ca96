/**
 * What `bivouac run` hands to the manager.
 */
import type { ManagerId, ServerId } from '../sdk/wire/model.ts';
import type { Driver } from './desired/driver.ts';
import type { WantedDataplane } from './desired/wanted.ts';
import type { TsigKey } from './dns/tsig.ts';
import type { GslbRoleOptions } from './gslb-role.ts';
import type { Host, Http, OpenVty, Signer, Store, TlsIdentity, Verify } from './host/ports.ts';
import type { Choice } from './ipvs/choose.ts';
import type { MissionHost } from './mission.ts';
import type { Counts } from './registry/counts.ts';
import type { Reached } from './registry/state.ts';
import type { RouteSocket } from './routing/route-batch.ts';

/** A data plane, and the established connections that it carries, where it can tell. */
export interface CountingDriver extends Driver<WantedDataplane, Reached['farms']> {
  readonly connections?: () => Promise<Counts>;
}

type GslbHost = Required<GslbRoleOptions['host']>;

/** The operating system as the manager needs it, and who the manager is in its mission. */
export interface ManagerHost extends Host {
  readonly http: Http;
  readonly store: Store;
  readonly openVty: OpenVty;
  readonly openRoutes?: () => RouteSocket;
  /** Makes sure that no other process of this network namespace is the same; rejects when one is. */
  readonly claim: (name: string) => Promise<{ close(): void }>;
  /** Opens the kernel's balancer; called once, and not when the configuration says that there is none. */
  readonly openDataplane: (options: {
    readonly anycastPort: number;
    readonly driver: Choice;
  }) => CountingDriver;
  /** Whether the kernel balances by IPVS too; absent: no. */
  readonly hasIpvs?: boolean;
  readonly signer: Signer;
  /** The signer of a private key in PEM; throws when it cannot be one. */
  readonly signerOf: (pem: string) => Signer;
  readonly verify: Verify;
  readonly identify: (publicKey: Uint8Array) => ServerId & ManagerId;
  readonly inspectorOf: MissionHost['inspectorOf'];
  readonly derOf: MissionHost['derOf'];
  readonly secrets: Secrets;
  /** What befell the host before the manager started, as sentences: problems until the next start. Absent: nothing. */
  readonly mishaps?: readonly string[];
  /** As the role of a GSLB needs them. */
  readonly hmac: GslbHost['hmac'];
  readonly seconds?: GslbHost['seconds'];
  readonly dnsWorkers?: GslbHost['dnsWorkers'];
}

/** What the files that the configuration names hold. */
export interface Secrets {
  readonly tls: TlsIdentity | undefined;
  /** Canonical serial numbers of revoked certificates. */
  readonly revoked: ReadonlySet<string>;
  /** The OSPF key. */
  readonly ospfKey: string | undefined;
  /** The GSLB's topology; absent: none. */
  readonly topology?: string | undefined;
  /** What its zones' transfers are signed with. */
  readonly transferKeys: readonly TsigKey[];
}
