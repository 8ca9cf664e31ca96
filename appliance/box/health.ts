/**
 * Whether the image that runs is a good one, and what follows. Only the manager's own readiness counts: a cable that is missing or a
 * neighbour that is silent are no fault of the image. Pure.
 */
import type { Entry, Slot } from './entries.ts';

/** The manager's unit, as systemd has it. */
export interface UnitState {
  /** ActiveState: `active` once the manager has said that it is ready. */
  readonly active: string;
  /** Times that systemd has started it again. */
  readonly restarts: number;
  /** When it became active, ms on the monotonic clock; 0 = it is not. */
  readonly since: number;
}

/** How long the manager must have been ready at a stretch, ms. */
export const STEADY = 3000;

/** Whether it is ready, and has been for a while. */
export const isSteady = ({ active, since }: UnitState, now: number): boolean =>
  active === 'active' && since > 0 && now - since >= STEADY;

export type Verdict =
  /** The counter goes: this image is started from now on. `rename` is undefined when it had none. */
  | {
      readonly do: 'bless';
      readonly rename?: { readonly from: string; readonly to: string };
      readonly reason: string;
    }
  /** Another start is counted, or the other slot is taken. */
  | { readonly do: 'reboot'; readonly reason: string }
  /** Nothing better is to be had. */
  | { readonly do: 'stay'; readonly reason: string };

/** `corrupt`: dm-verity found blocks of the root that are not what was signed. */
export function judgeHealth(
  running: Slot,
  entries: readonly Entry[],
  { steady, corrupt }: { readonly steady: boolean; readonly corrupt: boolean },
): Verdict {
  const own = entries.filter(({ slot }) => slot === running);
  const trial = own.find(({ left }) => left !== undefined);
  const other = entries.some(({ slot, left }) => slot !== running && left !== 0);
  const onTrial = trial !== undefined && !own.some(({ left }) => left === undefined);
  if (corrupt && other)
    return { do: 'reboot', reason: `the root of slot ${running} is damaged: the other slot is to be taken` };
  if (steady) {
    const reason = corrupt
      ? 'the manager is ready, but the root is damaged, and there is no other slot: install an update'
      : 'the manager is ready';
    if (!onTrial) return { do: 'bless', reason };
    return { do: 'bless', rename: { from: trial.name, to: blessedName(trial.name) }, reason };
  }
  if (onTrial && other)
    return {
      do: 'reboot',
      reason: `the manager did not become ready, and this image is on trial (${trial.left} starts left)`,
    };
  return {
    do: 'stay',
    reason: onTrial
      ? 'the manager did not become ready, and there is no other slot to go back to'
      : 'the manager did not become ready; this image has been good before, so it is not given up: look at `bivouac tech-support`',
  };
}

/** Without its counter. */
const blessedName = (name: string): string => name.replace(/\+\d+(?:-\d+)?(?=\.efi$)/i, '');

/** What `systemctl show -p ActiveState -p NRestarts -p ActiveEnterTimestampMonotonic` says. */
export function readUnit(text: string): UnitState {
  const field = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  return {
    active: field('ActiveState'),
    restarts: Number(field('NRestarts')) || 0,
    since: Math.floor((Number(field('ActiveEnterTimestampMonotonic')) || 0) / 1000),
  };
}

/** Whether `dmsetup status root` tells of corruption: the verity target's status is V (valid) or C. */
export const isCorrupt = (status: string): boolean => /\bverity\s+C\b/.test(status);
