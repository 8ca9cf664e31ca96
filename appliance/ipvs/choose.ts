/** Which of the two balancers of the kernel carries what, by what is configured and by what the kernel has. Pure. */
import type { Service } from '../../sdk/wire/model.ts';
import {
  type Capabilities,
  capabilities as nftables,
  refusal as nftablesRefuses,
} from '../dataplane/capabilities.ts';
import type { Farm } from '../desired/wanted.ts';
import { cannotBalance, refusal as ipvsRefuses, MODES, SCHEDULERS } from './capabilities.ts';

/** `auto`: nftables, and IPVS for what only that can do. `ipvs`: the other way round. */
export type Choice = 'auto' | 'nftables' | 'ipvs';

/** Whether a farm goes to IPVS; where neither can carry it, the one that is asked first says why. */
export const isForIpvs =
  (choice: Choice) =>
  (farm: Farm): boolean =>
    choice === 'ipvs'
      ? ipvsRefuses(farm) === undefined || nftablesRefuses(farm) !== undefined
      : choice === 'auto' && nftablesRefuses(farm) !== undefined && ipvsRefuses(farm) === undefined;

/** What can be asked of the data plane. `hasIpvs`: of this kernel. */
export function capabilitiesOf(choice: Choice, hasIpvs: boolean): Capabilities {
  if (choice === 'nftables' || !hasIpvs) return nftables;
  return {
    modes: [...new Set([...nftables.modes, ...MODES])],
    schedulers: [...new Set([...nftables.schedulers, ...SCHEDULERS])],
    cannotCarry(service) {
      const first = nftables.cannotCarry(service);
      const { mode } = service.forward;
      if (first === undefined || mode === 'none' || mode === 'redirect') return first;
      const second = cannotByIpvs(service);
      return second && `neither nftables nor IPVS can carry it: ${first}; ${second}`;
    },
  };
}

function cannotByIpvs({ vip, transport, ports, forward }: Service): string | undefined {
  const { mode, ...rest } = forward;
  for (const range of ports) {
    const why = cannotBalance({ vip, transport, ports: range, mode: mode as Farm['mode'], ...rest });
    if (why !== undefined) return why;
  }
  return undefined;
}
