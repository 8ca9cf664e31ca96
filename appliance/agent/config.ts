/**
 * The agent's configuration, from its text. Never touches the network or the disk.
 */
import { questionOf } from '../../sdk/client/question.ts';
import { managerAddress } from '../../sdk/server/register.ts';
import { leasePlans, type ServiceOptions } from '../../sdk/server/service.ts';
import type { Identity } from '../../sdk/transport/environment.ts';
import { parseAddress } from '../../sdk/wire/address.ts';
import type { Check, Forward, ForwardMode } from '../../sdk/wire/model.ts';
import type { Fault } from '../config/faults.ts';
import { createReader, tlsFaults } from '../config/schema.ts';
import schema from './agent.schema.json' with { type: 'json' };
import { chooseForwarding, type Forwarding } from './forward.ts';

/** A check of the agent's own. Times in ms. */
export interface LocalCheck {
  readonly kind: 'tcp' | 'exec';
  readonly command?: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly rise: number;
  readonly fall: number;
}

interface AgentService extends ServiceOptions {
  readonly local?: LocalCheck;
  /** How it is forwarded, and why, where its configuration leaves that open. */
  readonly chosen?: Forwarding;
}

export interface AgentConfig {
  readonly name: string | undefined;
  readonly manager: readonly string[] | undefined;
  /** Paths as they are written. */
  readonly tls: Identity | undefined;
  readonly addresses: readonly string[];
  readonly heartbeat: number | undefined;
  readonly report: number;
  readonly drain: number;
  readonly state: string;
  readonly services: readonly AgentService[];
}

const passes = (test: () => unknown): boolean => {
  try {
    return test() !== undefined;
  } catch {
    return false;
  }
};

const read = createReader<Raw>(schema, {
  manager: {
    takes: text => passes(() => managerAddress(text)),
    sentence: text => `'${text}' must be an address, or address:port, such as 10.1.0.1:9746`,
  },
  address: {
    takes: text => parseAddress(text) !== undefined,
    sentence: text => `'${text}' is no IP address`,
  },
  vip: {
    takes: text => text === 'auto' || parseAddress(text) !== undefined,
    sentence: text => `'${text}' must be 'auto' or an IP address`,
  },
  name: {
    takes: text => passes(() => questionOf({ name: text })),
    sentence: text => `'${text}' must be a DNS name`,
  },
  hex: {
    takes: text => /^([0-9a-f]{2}){0,512}$/i.test(text),
    sentence: text => `'${text}' must be up to 512 bytes in hex`,
  },
});

type RawCheck = Omit<Partial<Check>, 'send' | 'expect'> & {
  readonly kind: Check['kind'];
  readonly send?: string;
  readonly expect?: string;
};
type Raw = Partial<Omit<AgentConfig, 'services'>> &
  Pick<AgentConfig, 'addresses' | 'report' | 'drain' | 'state'> & {
    readonly plain: boolean;
    readonly services: readonly (Omit<AgentService, 'check' | 'forward'> & {
      readonly check?: RawCheck;
      readonly forward: Omit<Forward, 'mode'> & { readonly mode: ForwardMode | 'auto' };
    })[];
  };

/** The configuration, or all that is wrong with it. */
export function loadAgentConfig(
  text: string,
): { readonly config: AgentConfig } | { readonly faults: readonly Fault[] } {
  const found = read(text);
  if ('faults' in found) return found;
  const { raw, at } = found;
  const mend =
    'make a certificate with `bivouac pki issue`, or say "plain": true where the manager does, too';
  const faults = tlsFaults(raw, mend).map(({ path, sentence }) => at(path, sentence));
  for (const [index, { local }] of raw.services.entries()) {
    if (local?.kind === 'exec' && local.command === undefined)
      faults.push(
        at(`/services/${index}/local`, "'command' is missing: the program to run and its arguments"),
      );
  }
  const services = raw.services.map(service => withForwarding(withBytes(service)));
  for (const [index, service] of services.entries()) {
    const fault = faultOf([service]);
    if (fault !== undefined) faults.push(at(`/services/${index}`, fault));
  }
  if (faults.length === 0) {
    const fault = faultOf(services);
    if (fault !== undefined) faults.push(at('/services', fault));
  }
  if (faults.length > 0) return { faults };
  const { name, manager, tls, heartbeat, addresses, report, drain, state } = raw;
  return { config: { name, manager, tls, heartbeat, addresses, report, drain, state, services } };
}

/** What the SDK has against these services, in one sentence. */
function faultOf(services: readonly AgentService[]): string | undefined {
  try {
    leasePlans(services);
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(/^services\[\d+\]\.?/, '');
  }
}

type RawService = Omit<Raw['services'][number], 'check'> & Pick<AgentService, 'check'>;

function withForwarding({ forward, ...service }: RawService): AgentService {
  if (forward.mode !== 'auto') return { ...service, forward: { ...forward, mode: forward.mode } };
  const chosen = chooseForwarding(service);
  return { ...service, chosen, forward: { ...forward, mode: chosen.mode } };
}

function withBytes({ check, ...service }: Raw['services'][number]): RawService {
  if (check === undefined) return service;
  const { send, expect, ...rest } = check;
  return {
    ...service,
    check: {
      ...rest,
      ...(send !== undefined && { send: bytesOf(send) }),
      ...(expect !== undefined && { expect: bytesOf(expect) }),
    },
  };
}

const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], pair => Number.parseInt(pair, 16));
