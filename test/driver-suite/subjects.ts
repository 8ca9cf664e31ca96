/** The drivers that the suite knows. */
import { openNftables } from '../../appliance/commands/dataplane.ts';
import { findIpvs, openIpvs } from '../../appliance/commands/ipvs.ts';
import { createClock } from '../../appliance/host/clock.ts';
import { createExec } from '../../appliance/host/exec.ts';
import { createBeside } from '../../appliance/ipvs/beside.ts';
import { isForIpvs } from '../../appliance/ipvs/choose.ts';
import type { Cell } from '../support/dataplane.ts';
import type { Subject } from './rig.ts';

const host = { clock: createClock(), exec: createExec(), log: () => {} };

/** As a file would keep it from daemon to daemon. */
let kept = '';
const memory = {
  read: () => kept,
  write: (text: string) => {
    kept = text;
  },
};

export const nftables: Subject = {
  name: 'nftables',
  modes: ['nat', 'direct'],
  abilities: ['steady-hash', 'reflection'],
  open: async () => openNftables(host),
  remains: ({ appliance }) =>
    appliance.runSync('nft', ['-s', 'list', 'ruleset']).replace(/ expires \S+/g, '') +
    rules(appliance.ip('rule')),
};

/** As the manager has it: beside nftables, which takes what IPVS cannot. */
export const ipvs: Subject = {
  name: 'ipvs',
  modes: ['nat', 'direct', 'tunnel'],
  abilities: ['direct6', 'wlc', 'maglev', 'persistence'],
  async open() {
    const family = await findIpvs();
    if (family === undefined) throw new Error('this kernel has no IPVS');
    const beside = openNftables(host, { farmsLater: true });
    return createBeside(beside, openIpvs(host, { family, memory }), isForIpvs('ipvs'));
  },
  remains: cell => nftables.remains(cell) + ipvsRemains(cell),
};

const ipvsRemains = ({ appliance }: Cell): string =>
  appliance.runSync('ipvsadm', ['-Sn']) +
  appliance.runSync('ipvsadm', ['-L', '--timeout']).replace('Timeout (tcp tcpfin udp): 900 120 300\n', '') +
  appliance.ip('route show table local proto 178') +
  appliance.ip('-6 route show table local proto 178');

/** The driver's own among the routing rules. */
const rules = (listing: string): string =>
  listing
    .split('\n')
    .filter(line => line.includes('9747'))
    .join('\n');
