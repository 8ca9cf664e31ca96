/**
 * Steps as rules of ipvsadm(8), one a line: what `ipvsadm --restore` takes, and what an operator knows how to read. Pure.
 */
import { familyOf } from '../../sdk/wire/address.ts';
import { FLAG, type Forwarding, type VirtualService } from './layout.ts';
import type { Step } from './plan.ts';

const VERB: Readonly<Record<Step['do'], string>> = {
  'add-service': '-A',
  'edit-service': '-E',
  'remove-service': '-D',
  'add-destination': '-a',
  'edit-destination': '-e',
  'remove-destination': '-d',
};
const TRANSPORT = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;
const FORWARD: Readonly<Record<Forwarding, string>> = { nat: '-m', direct: '-g', tunnel: '-i' };

/** The rules, each ended by a newline. */
export const render = (steps: readonly Step[]): string => steps.map(step => `${renderStep(step)}\n`).join('');

export function renderStep(step: Step): string {
  const { service } = step;
  const words = [VERB[step.do], TRANSPORT[service.transport], endpoint(service.vip, service.port)];
  if (step.do === 'remove-service') return words.join(' ');
  if (!('destination' in step)) return [...words, ...settings(service)].join(' ');
  const { destination } = step;
  words.push('-r', endpoint(destination.address, destination.port));
  if (step.do !== 'remove-destination')
    words.push(FORWARD[destination.forward], '-w', `${destination.weight}`);
  return words.join(' ');
}

function settings({ vip, scheduler, flags, timeout, prefix, engine }: VirtualService): string[] {
  const words = ['-s', scheduler];
  if (flags & FLAG.fallback) words.push('-b', `${scheduler}-fallback`);
  if ((flags & FLAG.persistent) === 0) return words;
  words.push('-p', `${timeout}`);
  if (familyOf(vip) === 6 && prefix < 128) words.push('-M', `${prefix}`);
  if (familyOf(vip) === 4 && prefix < 32) words.push('-M', dottedMask(prefix));
  return engine === '' ? words : [...words, '--pe', engine];
}

const endpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** 24 → 255.255.255.0. */
const dottedMask = (prefix: number): string =>
  [24, 16, 8, 0]
    .map(shift => ((prefix === 0 ? 0 : (-1 << (32 - prefix)) >>> shift) & 0xff).toString())
    .join('.');
