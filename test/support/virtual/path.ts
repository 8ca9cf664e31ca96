/**
 * What lies between two hosts: delay, loss, duplication.
 */
import type { Millis, Random } from '../../../appliance/host/ports.ts';

/** One direction. `loss` and `duplication` are probabilities; `jitter` adds up to so many ms to each packet. */
export interface PathQuality {
  readonly latency: Millis;
  readonly jitter: Millis;
  readonly loss: number;
  readonly duplication: number;
}

export const LAN: PathQuality = { latency: 0.2, jitter: 0, loss: 0, duplication: 0 };

/** The delays after which one packet arrives: none if it is lost, two if it is doubled. */
export function transit(quality: PathQuality, random: Random): Millis[] {
  if (quality.loss > 0 && random.uniform() < quality.loss) return [];
  const delay = (): Millis => quality.latency + (quality.jitter > 0 ? random.uniform() * quality.jitter : 0);
  const doubled = quality.duplication > 0 && random.uniform() < quality.duplication;
  return doubled ? [delay(), delay()] : [delay()];
}
