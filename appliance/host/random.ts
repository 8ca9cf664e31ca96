/**
 * Chance from the operating system.
 */
import { randomBytes } from 'node:crypto';
import type { Random } from './ports.ts';

/** `uniform` is for jitter and choice (fast, guessable); `bytes` is for nonces and identifiers (getrandom). */
export const createRandom = (): Random => ({
  uniform: () => Math.random(),
  bytes: length => Uint8Array.from(randomBytes(length)),
});
